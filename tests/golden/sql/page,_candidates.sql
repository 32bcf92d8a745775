with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok),
f0 as materialized (
select f.id from proof p cross join lateral (
select t.id from public."article" t where p.ok and t.owner = $3::uuid
union
select t.id from public."article" t where p.ok and (t.groups && $4::uuid[])
union
(select t.id
  from (
    select t.* from public."article" t where p.ok and (t.permission & 2 <> 0) order by t."published_at" desc, t."title", t.id offset 0) t
  where true
  order by t."published_at" desc, t."title", t.id
  limit $5::bigint + $6::bigint)) f
)
select p.ok, null::boolean, null::boolean, t.id, t.s0, t.s1, t.s2, t.s3, t.s4, t.s5, t.s6, t.s7, t.s8, t.s9, t.s10, t.s11, t.s12, t.s13, t.s14, t.s15, t.s16, t.s17
from proof p
left join lateral (
select t.id,
  t."title" as s0,
  t."slug" as s1,
  t."body" as s2,
  t."status" as s3,
  t."price"::text as s4,
  t."words"::bigint as s5,
  t."published_at" as s6,
  t."settings" as s7,
  t."permission"::bigint as s8,
  t."version"::bigint as s9,
  t."created_at" as s10,
  t."updated_at" as s11,
  (select x.id from public."user_account" x where x.id = t."author" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s12,
  (select x.id from public."section" x where x.id = t."section" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s13,
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)) as s14,
  t."published_at" as s15,
  t."title" as s16,
  t.id as s17
from (
select t.*
from f0 f cross join lateral (
  select t.* from public."article" t where t.id = f.id and p.ok and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end) offset 0) t
where true
order by t."published_at" desc, t."title", t.id
limit $5::bigint offset $6::bigint) t) t on true
