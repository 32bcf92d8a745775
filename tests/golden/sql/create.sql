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
insert into public."article" ("title", "section", "id", "owner", "groups", "group_bits", "permission", "author")
select v.c0::text, v.o0, v.id, a.id, coalesce(w.default_groups, '{}'::uuid[]), w.default_group_bits, w.default_permission, a.id
from who a, world w, unnest($2::uuid[], $3::text[], $4::uuid[]) as v (id, c0, o0)
where w.name = 'article' and (a.admin or w.permission & 4 <> 0 or w.owner = a.id and w.permission & 512 <> 0 or w.groups && a.groups and case when w.group_bits is null then w.permission & 65536 <> 0 else rowhouse.granted_1(w.groups, w.group_bits, a.groups, w.permission, 65536) end)
returning id
