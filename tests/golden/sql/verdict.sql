with who as materialized (
  select s.session, s.id, coalesce(s.groups, '{}'::uuid[]) as groups,
    coalesce('00000000-0000-7000-8000-000000000001'::uuid = any(s.groups), false) as admin
  from (values (1)) as one
  left join lateral (
    select s.id as session, u.id,
      array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) as groups
    from session s join user_account u on u.id = s."user" and u.active
    where s.id = $1::uuid and s.ended_at is null and s.expires_at > now()) s on true
  where $1::uuid is null or s.session is not null),
a as materialized (select * from who),
rows as materialized (
  select t.* from a cross join lateral (
    select t.* from public."article" t where t.id = any($2::uuid[]) and (a.admin or t.permission & 3 <> 0 or t.owner = a.id and t.permission & 384 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 49152) end) order by t.id) t)
select null::uuid, null::bigint, null::boolean, null::boolean, null::boolean, null::bigint, a.id, a.admin,
  array[coalesce((select (a.admin or w.permission & 8 <> 0 or w.owner = a.id and w.permission & 1024 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 131072 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 131072) end) from world w where w.name = 'article'), false)]::boolean[]
from a
union all
select t.id, (case when (a.admin or t.permission & 3 <> 0 or t.owner = a.id and t.permission & 384 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 49152) end) then 1 else 0 end + case when (a.admin or t.permission & 2 <> 0 or t.owner = a.id and t.permission & 256 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 32768) end) then 2 else 0 end + case when (a.admin or t.permission & 4 <> 0 or t.owner = a.id and t.permission & 512 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 65536 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 65536) end) then 4 else 0 end + case when (a.admin or t.permission & 8 <> 0 or t.owner = a.id and t.permission & 1024 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 131072 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 131072) end) then 8 else 0 end + case when (a.admin or t.permission & 16 <> 0 or t.owner = a.id and t.permission & 2048 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 262144 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 262144) end) then 16 else 0 end + case when (a.admin or t.permission & 32 <> 0 or t.owner = a.id and t.permission & 4096 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 524288 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 524288) end) then 32 else 0 end + case when (a.admin or t.permission & 64 <> 0 or t.owner = a.id and t.permission & 8192 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 1048576 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 1048576) end) then 64 else 0 end)::bigint, coalesce((a.admin or t.owner = a.id), false), coalesce((a.admin or t.owner = a.id), false), coalesce((a.admin or t.groups && a.groups), false), t.version::bigint, null, null, null
from a cross join rows t where (a.admin or t.permission & 3 <> 0 or t.owner = a.id and t.permission & 384 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 49152) end)
