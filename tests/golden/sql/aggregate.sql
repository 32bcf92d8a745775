with proof as materialized (
  select coalesce((select s.value from rowhouse.stamp s) = $1::uuid
    and (
      select array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) = $4::uuid[]
      from session s join user_account u on u.id = s."user" and u.active
      where s.id = $2::uuid and s.ended_at is null and s.expires_at > now() and u.id = $3::uuid), false) as ok)
select p.ok, null::boolean, null::boolean, case when t._id is not null then '00000000-0000-0000-0000-000000000000'::uuid end, t._id, t._o0, t._o1, t._o2, t._o3, t._o4, t._o5
from proof p left join lateral (
  select md5(concat_ws(',', quote_nullable((t."status")::text), quote_nullable((date_trunc('month', t."published_at"))::text), quote_nullable(((select x1."name" from (select x.* from public."section" x where x.id = t."section" and (x.permission & 2 <> 0 or x.owner = $3::uuid and x.permission & 256 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 32768 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 32768) end) offset 0) x1))::text))) as _id, (t."status") as _o0, (date_trunc('month', t."published_at")) as _o1, ((select x1."name" from (select x.* from public."section" x where x.id = t."section" and (x.permission & 2 <> 0 or x.owner = $3::uuid and x.permission & 256 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 32768 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 32768) end) offset 0) x1)) as _o2, (count(*))::text as _o3, (sum((t."words")::numeric))::text as _o4, (max(t."price"))::text as _o5
  from (
    select t.* from public."article" t where p.ok and (t.permission & 2 <> 0 or t.owner = $3::uuid and t.permission & 256 <> 0 or t.groups && $4::uuid[] and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, $4::uuid[], t.permission, 32768) end) and t."words" > $6::bigint offset 0) t
  where true and strpos(t."body", $5::text::text) > 0
  group by t."status", date_trunc('month', t."published_at"), (select x1."name" from (select x.* from public."section" x where x.id = t."section" and (x.permission & 2 <> 0 or x.owner = $3::uuid and x.permission & 256 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 32768 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 32768) end) offset 0) x1)
  having (count(*)) > $7::numeric
  order by count(*) desc nulls last, (case t."status" when 'draft' then 1 when 'review' then 2 when 'published' then 3 end) nulls last, date_trunc('month', t."published_at") nulls last, (select x1."name" from (select x.* from public."section" x where x.id = t."section" and (x.permission & 2 <> 0 or x.owner = $3::uuid and x.permission & 256 <> 0 or x.groups && $4::uuid[] and case when x.group_bits is null then x.permission & 32768 <> 0 else rowhouse.granted_1(x.groups, x.group_bits, $4::uuid[], x.permission, 32768) end) offset 0) x1) nulls last
  limit $8::bigint offset $9::bigint) t on true
