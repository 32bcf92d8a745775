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
delete from public."article" t using who a where t.id = any($2::uuid[]) and coalesce((select (a.admin or w.permission & 16 <> 0 or w.owner = a.id and w.permission & 2048 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 262144 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 262144) end) from world w where w.name = 'article'), false) and (a.admin or t.permission & 16 <> 0 or t.owner = a.id and t.permission & 2048 <> 0 or t.groups && a.groups and case when t.group_bits is null then t.permission & 262144 <> 0 else rowhouse.granted_1(t.groups, t.group_bits, a.groups, t.permission, 262144) end)
returning t.id
