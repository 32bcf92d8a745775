-- Keeps the id of a user or a group that is deleted, and refuses it to a new one: rows and rights that still name it are nobody's.
create or replace function rowhouse.gone() returns trigger language plpgsql as $note$
begin
  if tg_op = 'DELETE' then
    insert into rowhouse.gone (id) values (old.id) on conflict do nothing;
    return null;
  end if;
  if exists (select from rowhouse.gone g where g.id = new.id) then
    raise exception 'this id was somebody''s' using errcode = 'unique_violation', constraint = tg_table_name || '_pkey';
  end if;
  return new;
end
$note$
