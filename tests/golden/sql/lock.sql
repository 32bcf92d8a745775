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
select t.id from who a cross join lateral (
  select t.id from public."article" t where t.id = any($2::uuid[]) and (a.admin or t.permission & 3 <> 0 or t.owner = a.id and t.permission & 384 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 49152 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 49152) end) and (a.admin or t.permission & 8 <> 0 or t.owner = a.id and t.permission & 1024 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 131072 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 131072) end) and coalesce((select (a.admin or w.permission & 8 <> 0 or w.owner = a.id and w.permission & 1024 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 131072 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 131072) end) from world w where w.name = 'article'), false) order by t.id for no key update) t
