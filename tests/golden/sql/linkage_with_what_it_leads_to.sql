with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok),
h0 as materialized (
select t.* from proof p cross join lateral (select t.*, coalesce((t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end), false) as _may
from public."article" t
where p.ok and t.id = $5::uuid and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end)
offset 0) t
),
r0 as materialized (
select t.* from proof p cross join h0 h cross join lateral (select row_number() over () as _n, t.* from (select t.*
from (
  select t.* from public."comment" t where p.ok and h._may and t."article" = h.id and (t.permission & 3 <> 0 or t.owner = $3::uuid and t.permission & 384 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 49152) end) order by t.id offset 0) t
where true
order by t.id
limit $6::bigint offset $7::bigint) t) t
),
s1 as materialized (
select t.* from r0 t where true and t._n <= $8::bigint and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
),
l1 as materialized (
select p.id as parent, x.id, x._n
from s1 p cross join lateral (
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
    limit $9::bigint) x) x
where true
limit 10001
),
r1 as materialized (
select t.*
from public."comment" t
where true and t.id in (select l.id from l1 l where l._n < $9::bigint) and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end)
)
select p.ok, (select h._may from h0 h), null::boolean, null::uuid, 0::bigint, 0::bigint, null::uuid, null::uuid, null::text, null::bigint, null::bigint, null::bigint, null::timestamptz, null::timestamptz, null::uuid, null::uuid
from proof p
union all
select true, null::boolean, null::boolean, t.id, 1::bigint, (t._n)::bigint, null::uuid,
  t.id,
  null::text,
  null::bigint,
  null::bigint,
  null::bigint,
  null::timestamptz,
  null::timestamptz,
  null::uuid,
  null::uuid
from r0 t cross join h0 h
union all
select true, null::boolean, null::boolean, t.id, 2::bigint, (0)::bigint, null::uuid,
  (select x.id from public."article" x where x.id = t."article" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  t."text",
  t."rating"::bigint,
  t."permission"::bigint,
  t."version"::bigint,
  t."created_at",
  t."updated_at",
  (select x.id from public."comment" x where x.id = t."reply_to" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end))
from s1 t
union all
select true, null::boolean, null::boolean, t.id, 3::bigint, (t._n)::bigint, t.parent,
  null::uuid,
  null::text,
  null::bigint,
  null::bigint,
  null::bigint,
  null::timestamptz,
  null::timestamptz,
  null::uuid,
  null::uuid
from l1 t
union all
select true, null::boolean, null::boolean, t.id, 4::bigint, (0)::bigint, null::uuid,
  (select x.id from public."article" x where x.id = t."article" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  t."text",
  t."rating"::bigint,
  t."permission"::bigint,
  t."version"::bigint,
  t."created_at",
  t."updated_at",
  (select x.id from public."comment" x where x.id = t."reply_to" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end)),
  (select x.id from public."user_account" x where x.id = t."owner" and (x.permission & 3 <> 0 or x.owner = $3::uuid and x.permission & 384 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 49152 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 49152) end))
from r1 t
