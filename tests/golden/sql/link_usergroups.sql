with who as materialized (
  select s.session, s.id, coalesce(s.groups, '{}'::uuid[]) as groups,
    coalesce('00000000-0000-7000-8000-000000000001'::uuid = any(s.groups), false) as admin
  from (values (1)) as one
  left join lateral (
    select s.id as session, u.id,
      array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) as groups
    from session s join user_account u on u.id = s."user" and u.active
    where s.id = $1::uuid and s.ended_at is null and s.expires_at > now()) s on true
  where $1::uuid is null or s.session is not null)
update public."article" t
set groups = coalesce((select array_agg(m.id order by m.n) from (select coalesce(k.id, s.id) as id, case when s.said then s.bits else k.bits end as bits,
      coalesce(k.n, 1000000 + s.n) as n
    from (select g.id, t.group_bits[g.n] as bits, g.n from unnest(t.groups) with ordinality as g (id, n)) k full join unnest($3::uuid[], $4::integer[], $5::boolean[])
      with ordinality as s (id, bits, said, n) on s.id = k.id) m), '{}'::uuid[]),
  group_bits = (
    select case when bool_and(m.bits is null) then null else array_agg(m.bits order by m.n) end from (select coalesce(k.id, s.id) as id, case when s.said then s.bits else k.bits end as bits,
      coalesce(k.n, 1000000 + s.n) as n
    from (select g.id, t.group_bits[g.n] as bits, g.n from unnest(t.groups) with ordinality as g (id, n)) k full join unnest($3::uuid[], $4::integer[], $5::boolean[])
      with ordinality as s (id, bits, said, n) on s.id = k.id) m), version = t.version + 1, updated_at = now()
from who a where t.id = $2::uuid and (a.admin or t.permission & 8 <> 0 or t.owner = a.id and t.permission & 1024 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 131072 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 131072) end)
returning t.id
