-- What report, audit, prune and the end of `destroy` read, by an index each, also among ten
-- million rooms; and what each index costs the two statements that run all day, reserve and record.

-- Attempts by when they were sent, for the audit, have their index: attempts_by_sent_at. It costs:
-- record sets sent_at, and an update of an indexed column is never HOT, so the end of an attempt
-- writes an entry into each index of the table. Looked at and left as it is:
-- * An index on slot_at, set once at the insert, would make some three ends of five HOT, with a
--   fillfactor of 50. Measured once on Postgres 15, 20,000 attempts in statements of 50: 660 bytes
--   of WAL an attempt, against 800 with sent_at at that fillfactor and 850 at the 70 of this table;
--   the difference is at most 37 kB/s at 196 attempts a second. But the audit is to find what was
--   sent when, also where that was not at its slot.
-- * BRIN on sent_at gives no order to page by, and up to Postgres 15 it prevents HOT all the same.
-- The entries without a time serve too: attempts that were never sent, or never ended.

-- Which line an attempt was sent on: the quota is counted for each endpoint host and app alone.
-- Null: recorded before this migration. A number, because ten million copies of the id are half
-- a gigabyte.
alter table room_reaper.lines add column number int generated always as identity;
alter table room_reaper.attempts add column line int;

-- The rooms of a batch, page by page in the order of their RoomIds (in that of bytes, so that
-- it is the same in every database). It takes the place of the index on batch_id alone. Its
-- columns never change: no update pays for it. An insert writes some 75 bytes instead of 10.
create index destructions_by_batch_and_room on room_reaper.destructions (batch_id, room_id collate "C")
  where batch_id is not null;
drop index room_reaper.destructions_by_batch;

-- What prune walks. By finished_at it would be shorter, but record sets that column: no end of
-- a destruction would be HOT any more. What finished before a day was asked for before it too.
-- The rooms of a chunk share one instant, so an entry takes a few bytes.
create index destructions_by_requested_at on room_reaper.destructions (requested_at);

-- The rooms that a batch joined, likewise page by page; and whether a batch that stays has
-- joined a destruction. Written while a list is enqueued, never later.
create index batch_joins_by_room on room_reaper.batch_joins (batch_id, room_id collate "C");
create index batch_joins_by_destruction on room_reaper.batch_joins (destruction_id);
