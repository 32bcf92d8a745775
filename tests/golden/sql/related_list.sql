with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok)
select p.ok, h._may, null::boolean, t.id, t.s0, t.s1, t.s2, t.s3, t.s4, t.s5, t.s6, t.s7, t.s8, t.s9, t.s10
from proof p
left join lateral (
select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
from public."article" t
where p.ok and t.id = $5::uuid and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
offset 0) h on true
left join lateral (
select t.id,
  t."text" as s0,
  t."rating"::bigint as s1,
  t."permission"::bigint as s2,
  t."version"::bigint as s3,
  t."created_at" as s4,
  t."updated_at" as s5,
  (select x.id from public."article" x where x.id = t."article" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s6,
  (select x.id from public."comment" x where x.id = t."reply_to" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s7,
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s8,
  t."created_at" as s9,
  t.id as s10
from (
select t.*
from (
  select t.* from public."comment" t where p.ok and h._may and t."article" = h.id and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end) order by t."created_at" desc, t.id desc offset 0) t
where true
order by t."created_at" desc, t.id desc
limit $6::bigint offset $7::bigint) t) t on true
