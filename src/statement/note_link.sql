-- Notes links of many to many in the history of the row that declares them: entity, relation.
create or replace function rowhouse.note_link() returns trigger language plpgsql as $note$
declare
  call constant jsonb := coalesce(nullif(current_setting('rowhouse.call', true), ''), '{}')::jsonb;
  source constant uuid := case tg_op when 'INSERT' then new.source else old.source end;
  target constant jsonb := jsonb_build_object(tg_argv[1], case tg_op when 'INSERT' then new.target else old.target end);
  who uuid;
  is_row record;
  was_row record;
begin
  if call ? 'session' then
    select s."user" into who from public.session s where s.id = (call ->> 'session')::uuid;
  end if;
  execute format('select permission, owner, groups, group_bits from public.%I where id = $1', tg_argv[0]) into is_row using source;
  select c.was_permission as permission, c.was_owner as owner, c.was_groups as groups, c.was_group_bits as group_bits into was_row
  from rowhouse.change c
  where c.entity = tg_argv[0] and c.row = source and c.xact = pg_current_xact_id() order by c.id limit 1;
  if not found then
    was_row := is_row;
  end if;
  insert into rowhouse.change (entity, row, verb, before, after, caller, request, sent_request, action,
    permission, owner, groups, group_bits, was_permission, was_owner, was_groups, was_group_bits, xact)
  values (tg_argv[0], source, case tg_op when 'INSERT' then 'link' else 'unlink' end,
    case tg_op when 'INSERT' then '{}' else target end, case tg_op when 'INSERT' then target else '{}' end,
    who, call ->> 'request', call ->> 'sent_request', call ->> 'action',
    is_row.permission, is_row.owner, is_row.groups, is_row.group_bits,
    was_row.permission, was_row.owner, was_row.groups, was_row.group_bits, pg_current_xact_id());
  return null;
end
$note$
