with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok)
select p.ok, h._may, null::boolean, t.id, t.s0
from proof p
left join lateral (
select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
from public."article" t
where p.ok and t.id = $5::uuid and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
offset 0) h on true
left join lateral (
select t.id,
  t.id as s0
from (
select t.*
from (
  select t.* from public."tag" t where p.ok and h._may and t.id in (select l.target from "article.tags" l where l.source = h.id) and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end) order by t.id offset 0) t
where true
order by t.id
limit $6::bigint offset $7::bigint) t) t on true
