with proof as materialized (select coalesce((select s.value from rowhouse.stamp s) = $1::uuid, false) as ok)
select p.ok from proof p
