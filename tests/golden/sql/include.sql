with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok),
r0 as materialized (
select t.* from proof p cross join lateral (select row_number() over () as _n, t.* from (select t.*
from (
  select t.*
  from (
    select t.* from public."article" t where true order by t."created_at" desc, t.id desc limit 2000) t
  where p.ok and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
  order by t."created_at" desc, t.id desc
  offset 0) t
where true
order by t."created_at" desc, t.id desc
limit $5::bigint offset $6::bigint) t) t
),
l1 as materialized (
select p.id as parent, x.id, x._n
from r0 p cross join lateral (
  select x.id, row_number() over () as _n
  from (
    select t.id
    from (
      select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
      from public."user_account" t
      where true and t.id = p."author" and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
      offset 0) t
    where true
    order by t._may desc, case when t._may then t."created_at" end desc, case when t._may then t.id end desc, t.id
    limit $7::bigint) x) x
where p._n <= $8::bigint
limit 10001
),
r1 as materialized (
select t.*
from public."user_account" t
where true and t.id in (select l.id from l1 l where l._n < $7::bigint) and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
),
l2 as materialized (
select p.id as parent, x.id, x._n
from r0 p cross join lateral (
  select x.id, row_number() over () as _n
  from (
    select t.id
    from (
      select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
      from public."comment" t
      where true and t."article" = p.id and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
      offset 0) t
    where true
    order by t._may desc, case when t._may then t."created_at" end desc, case when t._may then t.id end desc, t.id
    limit $9::bigint) x) x
where p._n <= $8::bigint
limit 10001
),
r2 as materialized (
select t.*
from public."comment" t
where true and t.id in (select l.id from l2 l where l._n < $9::bigint) and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
),
l3 as materialized (
select p.id as parent, x.id, x._n
from r2 p cross join lateral (
  select x.id, row_number() over () as _n
  from (
    select t.id
    from (
      select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
      from public."comment" t
      where true and t."reply_to" = p.id and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
      offset 0) t
    where true
    order by t._may desc, case when t._may then t."created_at" end desc, case when t._may then t.id end desc, t.id
    limit $10::bigint) x) x
where true
limit 10001
),
r3 as materialized (
select t.*
from public."comment" t
where true and t.id in (select l.id from l3 l where l._n < $10::bigint) and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
)
select p.ok, null::boolean, null::boolean, null::uuid, 0::bigint, 0::bigint, null::uuid, null::text, null::text, null::text, null::text, null::text, null::bigint, null::timestamptz, null::jsonb, null::bigint, null::bigint, null::timestamptz, null::timestamptz, null::uuid, null::uuid, null::uuid, null::timestamptz, null::uuid, null::boolean, null::boolean
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
  t."created_at",
  t.id,
  null::boolean,
  null::boolean
from r0 t
union all
select true, null::boolean, null::boolean, t.id, 2::bigint, (0)::bigint, null::uuid,
  t."name",
  t."username",
  t."email",
  null::text,
  null::text,
  t."permission"::bigint,
  t."invited_at",
  null::jsonb,
  t."version"::bigint,
  null::bigint,
  t."created_at",
  t."updated_at",
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  null::uuid,
  null::uuid,
  null::timestamptz,
  null::uuid,
  t."active",
  t."email_verified"
from r1 t
union all
select true, null::boolean, null::boolean, t.id, 3::bigint, (t._n)::bigint, t.parent,
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
  null::uuid,
  null::boolean,
  null::boolean
from l2 t
union all
select true, null::boolean, null::boolean, t.id, 4::bigint, (0)::bigint, null::uuid,
  t."text",
  null::text,
  null::text,
  null::text,
  null::text,
  t."rating"::bigint,
  t."created_at",
  null::jsonb,
  t."permission"::bigint,
  t."version"::bigint,
  t."updated_at",
  null::timestamptz,
  (select x.id from public."article" x where x.id = t."article" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."comment" x where x.id = t."reply_to" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  null::timestamptz,
  null::uuid,
  null::boolean,
  null::boolean
from r2 t
union all
select true, null::boolean, null::boolean, t.id, 5::bigint, (t._n)::bigint, t.parent,
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
  null::uuid,
  null::boolean,
  null::boolean
from l3 t
union all
select true, null::boolean, null::boolean, t.id, 6::bigint, (0)::bigint, null::uuid,
  t."text",
  null::text,
  null::text,
  null::text,
  null::text,
  t."rating"::bigint,
  t."created_at",
  null::jsonb,
  t."permission"::bigint,
  t."version"::bigint,
  t."updated_at",
  null::timestamptz,
  (select x.id from public."article" x where x.id = t."article" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."comment" x where x.id = t."reply_to" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  null::timestamptz,
  null::uuid,
  null::boolean,
  null::boolean
from r3 t
