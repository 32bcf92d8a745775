-- Raises the version of a row that loses a link because the other row is deleted.
create or replace function rowhouse.raise_version() returns trigger language plpgsql as $note$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end
$note$
