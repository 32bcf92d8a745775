-- Notes what happens to rows. A table's trigger says for whom: entity, hidden columns, masked columns, columns of the history
-- ('*' for all), listeners after the commit (verb:action), verbs that somebody hears before it.
-- A history keeps what changed, and the row's rights as they were before and after it; listeners are told the whole row.
-- Who changes, by which request and action, stands in the transaction's setting rowhouse.call.
create or replace function rowhouse.note() returns trigger language plpgsql as $note$
declare
  hidden constant text[] := string_to_array(tg_argv[1], ',');
  masked constant text[] := string_to_array(tg_argv[2], ',');
  call constant jsonb := coalesce(nullif(current_setting('rowhouse.call', true), ''), '{}')::jsonb;
  verb constant text := case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete' end;
  was jsonb := '{}';
  becomes jsonb := '{}';
  changed text[];
  id uuid;
  who uuid;
  history text[];
  is_row record;
  was_row record;
  rights constant text[] := '{permission,owner,groups,group_bits}';
begin
  if tg_op <> 'INSERT' then
    was := to_jsonb(old) - hidden;
    id := old.id;
    is_row := old;
  end if;
  if tg_op <> 'DELETE' then
    becomes := to_jsonb(new) - hidden;
    id := new.id;
    is_row := new;
  end if;
  changed := array(select k from jsonb_object_keys(was || becomes) k where was -> k is distinct from becomes -> k and k not in ('version', 'updated_at'));
  if tg_op = 'UPDATE' and changed = '{}' then
    return null;
  end if;
  was := (select coalesce(jsonb_object_agg(key, case when key = any(masked) and value <> 'null' then '"***"' else value end), '{}') from jsonb_each(was));
  becomes := (select coalesce(jsonb_object_agg(key, case when key = any(masked) and value <> 'null' then '"***"' else value end), '{}') from jsonb_each(becomes));
  if call ? 'session' then
    select s."user" into who from public.session s where s.id = (call ->> 'session')::uuid;
  end if;
  history := case tg_argv[3] when '*' then changed else array(select c from unnest(changed) c where c = any(string_to_array(tg_argv[3], ','))) end;
  if history <> '{}' then
    -- What a transaction does is told by the rights before it and after it, whatever stands between its statements.
    select c.was_permission as permission, c.was_owner as owner, c.was_groups as groups, c.was_group_bits as group_bits into was_row
    from rowhouse.change c
    where c.entity = tg_argv[0] and c.row = is_row.id and c.xact = pg_current_xact_id() order by c.id limit 1;
    if not found and tg_op = 'INSERT' then
      select null::integer as permission, null::uuid as owner, null::uuid[] as groups, null::integer[] as group_bits into was_row;
    elsif not found then
      select old.permission, old.owner, old.groups, old.group_bits into was_row;
    end if;
    insert into rowhouse.change (entity, row, verb, before, after, caller, request, sent_request, action,
      permission, owner, groups, group_bits, was_permission, was_owner, was_groups, was_group_bits, xact)
    values (tg_argv[0], id, verb,
      was - array(select k from jsonb_object_keys(was) k where k <> all(history)),
      becomes - array(select k from jsonb_object_keys(becomes) k where k <> all(history)),
      who, call ->> 'request', call ->> 'sent_request', call ->> 'action',
      is_row.permission, is_row.owner, is_row.groups, is_row.group_bits,
      was_row.permission, was_row.owner, was_row.groups, was_row.group_bits, pg_current_xact_id());
  end if;
  if tg_op = 'UPDATE' and tg_argv[3] <> '' and changed && rights then
    update rowhouse.change c
    set permission = new.permission, owner = new.owner, groups = new.groups, group_bits = new.group_bits
    where c.entity = tg_argv[0] and c.row = new.id and c.xact = pg_current_xact_id();
  end if;
  if verb = any(string_to_array(tg_argv[5], ',')) and call <> '{}' then
    insert into rowhouse.unheard (entity, row, verb, before, after) values (tg_argv[0], id, verb, was, becomes);
  end if;
  insert into public.task (id, permission, kind, name, line, payload, caller, depth, state, tries, next_at, created_at)
  select gen_random_uuid(), 0, 'event', split_part(l, ':', 2), tg_argv[0] || '/' || id,
    jsonb_build_object('entity', tg_argv[0], 'id', id, 'verb', verb, 'before', was, 'after', becomes),
    who, coalesce((call ->> 'depth')::integer, 0) + 1, 'waiting', 0, now(), clock_timestamp()
  from unnest(string_to_array(tg_argv[4], ',')) l where split_part(l, ':', 1) = verb;
  return null;
end
$note$
