do $$ begin
  if not exists (select from pg_roles where rolname = '{role}') then
    create role {role} login nosuperuser nocreaterole nocreatedb noreplication;
  end if;
end $$;

alter role {role} password '{password}';

alter database postgres owner to {role};

alter schema public owner to {role};

do $$
declare
  thing record;
begin
  for thing in
    select format('schema %I', nspname) as name from pg_namespace where nspname = 'rowhouse'
    union all
    select format('%s %I.%I', case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'rowhouse') and c.relkind in ('r', 'p', 'v', 'm', 'S') and pg_get_userbyid(c.relowner) <> '{role}'
      and (c.relkind <> 'S' or not exists (
        select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass))
    union all
    select format('routine %s', p.oid::regprocedure)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'rowhouse')
  loop
    execute format('alter %s owner to {role}', thing.name);
  end loop;
end $$;

