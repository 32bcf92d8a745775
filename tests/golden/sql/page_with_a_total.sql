with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok),
c0 as materialized (
select count(*) as n
from (
  select
  from proof p cross join lateral (
    select t.* from public."article" t where p.ok and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end) offset 0) t
  where true
  limit $5::bigint) c
),
r0 as materialized (
select t.* from proof p cross join lateral (select row_number() over () as _n, t.* from (select t.*
from (
  select t.*
  from (
    select t.* from public."article" t where true order by t."published_at" desc, t."title", t.id limit 2000) t
  where p.ok and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
  order by t."published_at" desc, t."title", t.id
  offset 0) t
where true
order by t."published_at" desc, t."title", t.id
limit $6::bigint offset $7::bigint) t) t
)
select p.ok, null::boolean, null::boolean, null::uuid, 0::bigint, 0::bigint, null::uuid, null::text, null::text, null::text, null::text, null::text, null::bigint, null::timestamptz, null::jsonb, null::bigint, null::bigint, null::timestamptz, null::timestamptz, null::uuid, null::uuid, null::uuid, null::timestamptz, null::text, null::uuid
from proof p
union all
select true, null::boolean, null::boolean, t.id, 1::bigint, (t._n)::bigint, null::uuid,
  t."title",
  t."slug",
  t."body",
  t."status",
  t."price"::text,
  t."words"::bigint,
  t."published_at",
  t."settings",
  t."permission"::bigint,
  t."version"::bigint,
  t."created_at",
  t."updated_at",
  (select x.id from public."user_account" x where x.id = t."author" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."section" x where x.id = t."section" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  t."published_at",
  t."title",
  t.id
from r0 t
union all
select true, null::boolean, null::boolean, null::uuid, 2::bigint, (t.n)::bigint, null::uuid,
  null::text,
  null::text,
  null::text,
  null::text,
  null::text,
  null::bigint,
  null::timestamptz,
  null::jsonb,
  null::bigint,
  null::bigint,
  null::timestamptz,
  null::timestamptz,
  null::uuid,
  null::uuid,
  null::uuid,
  null::timestamptz,
  null::text,
  null::uuid
from c0 t
