create function rowhouse.renew_stamp() returns trigger language plpgsql as $note$
begin
  -- Never a number: one comes again after a rollback, a failover or a restore.
  update rowhouse.stamp set value = gen_random_uuid();
  return null;
end $note$
