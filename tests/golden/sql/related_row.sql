with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok)
select p.ok, h._may, t._may, t.id, t.s0, t.s1, t.s2, t.s3, t.s4, t.s5, t.s6, t.s7, t.s8, t.s9, t.s10
from proof p
left join lateral (
select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
from public."article" t
where p.ok and t.id = $5::uuid and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
offset 0) h on true
left join lateral (
select t.id, t._may,
  case when t._may then t."name" end as s0,
  case when t._may then t."username" end as s1,
  case when t._may then t."email" end as s2,
  case when t._may then t."active" end as s3,
  case when t._may then t."invited_at" end as s4,
  case when t._may then t."email_verified" end as s5,
  case when t._may then t."permission"::bigint end as s6,
  case when t._may then t."version"::bigint end as s7,
  case when t._may then t."created_at" end as s8,
  case when t._may then t."updated_at" end as s9,
  case when t._may then (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) end as s10
from (
select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
from public."user_account" t
where p.ok and h._may and t.id = h."author" and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
offset 0) t) t on true
