-- Notes links of many to many in the history of the row that declares them: entity, relation.
create or replace function rowhouse.note_link() returns trigger language plpgsql as $note$
declare
  call constant jsonb := coalesce(nullif(current_setting('rowhouse.call', true), ''), '{}')::jsonb;
  who uuid;
begin
  if call ? 'session' then
    select s."user" into who from public.session s where s.id = (call ->> 'session')::uuid;
  end if;
  if tg_op = 'INSERT' then
    insert into rowhouse.change (entity, row, verb, before, after, caller, request, action)
    values (tg_argv[0], new.source, 'link', '{}', jsonb_build_object(tg_argv[1], new.target), who, call ->> 'request', call ->> 'action');
  else
    insert into rowhouse.change (entity, row, verb, before, after, caller, request, action)
    values (tg_argv[0], old.source, 'unlink', jsonb_build_object(tg_argv[1], old.target), '{}', who, call ->> 'request', call ->> 'action');
  end if;
  return null;
end
$note$
