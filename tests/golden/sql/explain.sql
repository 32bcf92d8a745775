with who as materialized (
  select s.session, s.id, coalesce(s.groups, '{}'::uuid[]) as groups,
    coalesce('00000000-0000-7000-8000-000000000001'::uuid = any(s.groups), false) as admin
  from (values (1)) as one
  left join lateral (
    select s.id as session, u.id,
      array(select m.source from "usergroup.members" m where m.target = u.id order by m.source) as groups
    from session s join user_account u on u.id = s."user" and u.active
    where s.id = $1::uuid and s.ended_at is null and s.expires_at > now()) s on true
  where $1::uuid is null or s.session is not null),
other as materialized (select who.*, true as known from who)
select 0::bigint, coalesce(x.n, 0)::bigint, a.id is not null, a.admin,
  exists (select from world w where w.name = 'article' and (a.admin or w.permission & 3 <> 0 or w.owner = a.id and w.permission & 384 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 49152 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 49152) end)), t.id is not null, coalesce((a.admin or t.owner = a.id), false),
  coalesce((select known from other), false), (select (case when a.admin then 1 when w.permission & 2 <> 0 then 2 when w.owner = a.id and w.permission & 256 <> 0 then 3 when w.groups && a.groups and case when w.group_bits is null then w.permission & 32768 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 32768) end then 4 end) from other a, world w where w.name = 'article')::bigint,
  (select (case when a.admin then 1 when t.permission & 2 <> 0 then 2 when t.owner = a.id and t.permission & 256 <> 0 then 3 when t.groups && a.groups and case when t.group_bits is null then t.permission & 32768 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 32768) end then 4 end) from other a)::bigint
from who a
left join unnest($2::uuid[]) with ordinality as x (id, n) on true
left join lateral (select t.* from public."article" t where t.id = x.id and (a.admin or t.permission & 3 <> 0 or t.owner = a.id and t.permission & 384 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 49152) end)) t on true
