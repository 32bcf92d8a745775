with who as materialized (
  select s.session, s.id, coalesce(s.groups, '{}'::uuid[]) as groups,
    coalesce('00000000-0000-7000-8000-000000000001'::uuid = any(s.groups), false) as admin
  from (values (1)) as one
  left join lateral (
    select s.id as session, u.id,
      array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) as groups
    from session s join user_account u on u.id = s."user" and u.active
    where s.id = $1::uuid and s.ended_at is null and s.expires_at > now()) s on true
  where $1::uuid is null or s.session is not null)
select 0::bigint, s.schema, null::text, null::bigint, a.session, a.id, a.groups, a.admin, s.value, null::boolean
from rowhouse.stamp s left join who a on true
union all
select 1, w.name, null, case when (a.admin or w.permission & 3 <> 0 or w.owner = a.id and w.permission & 384 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 49152 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 49152) end) then 1 else 0 end + case when (a.admin or w.permission & 2 <> 0 or w.owner = a.id and w.permission & 256 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 32768 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 32768) end) then 2 else 0 end + case when (a.admin or w.permission & 4 <> 0 or w.owner = a.id and w.permission & 512 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 65536 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 65536) end) then 4 else 0 end + case when (a.admin or w.permission & 8 <> 0 or w.owner = a.id and w.permission & 1024 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 131072 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 131072) end) then 8 else 0 end + case when (a.admin or w.permission & 16 <> 0 or w.owner = a.id and w.permission & 2048 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 262144 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 262144) end) then 16 else 0 end + case when (a.admin or w.permission & 32 <> 0 or w.owner = a.id and w.permission & 4096 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 524288 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 524288) end) then 32 else 0 end + case when (a.admin or w.permission & 64 <> 0 or w.owner = a.id and w.permission & 8192 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 1048576 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 1048576) end) then 64 else 0 end, null, null, null, w.name = any(array(
  select c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal
    and t.tgfoid is distinct from to_regproc('rowhouse.raise_version'))), null, w.name = any(array(
  select c.relname from pg_constraint f join pg_class c on c.oid = f.confrelid
  where c.relnamespace = 'public'::regnamespace and f.contype = 'f'))
from who a, world w
union all
select 2, t.entity, t.name, null, null, null, null, null, null, null from who a, action t where (a.admin or t.permission & 32 <> 0 or t.owner = a.id and t.permission & 4096 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 524288 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 524288) end)
