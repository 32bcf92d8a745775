-- Whether a text can be read as a type.
create or replace function rowhouse.fits(value text, type text) returns boolean language plpgsql as $note$
begin
  execute format('select %L::%s', value, type);
  return true;
exception when data_exception or integrity_constraint_violation then
  return false;
end
$note$
