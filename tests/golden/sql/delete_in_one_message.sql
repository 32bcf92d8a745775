with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok),
locked as materialized (
  select t.id, t.ctid as place from public."article" t
  where (select p.ok from proof p) and t.id = $5::uuid and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end) and (t.permission & 16 <> 0 or t.owner = $3::uuid and t.permission & 2048 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 262144 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 262144) end) and t.version = any($6::bigint[])
  for update skip locked),
changed as (
delete from public."article" t
using locked k
where t.id = k.id and t.ctid = k.place
returning t.id)
select p.ok, null::boolean, exists (select from changed), null::uuid
from proof p
