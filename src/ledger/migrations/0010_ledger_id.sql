-- What tells this ledger from every other: the queue remembers it. One row, made on first use and
-- not here, so that copies of a database in which nothing has happened yet are ledgers of their own.
create table room_reaper.ledger_id (
  is_only_row boolean primary key default true check (is_only_row),
  id          text not null
);
