-- Batches as things: who asked, why, where a replay came from; cancelling; jobs that come
-- back from BullMQ's failed set.

alter table room_reaper.batches
  -- The name was made up: the same list without a name, while unfinished, is the same batch.
  add column made_up_name  boolean not null default false,
  add column asked_by      text,
  add column note          text,
  -- Of a replay: the batch that its rooms came from, where it is one.
  add column parent_id     text,
  -- Of a replay: what chose its rooms.
  add column origin        text,
  -- From then on no room of it is granted a slot.
  add column cancelled_at  timestamptz,
  add column cancelled_by  text;

-- Single destructions that were cancelled. As with a batch, the fact is here before anything
-- is taken from the queue, so that it holds for all workers at once.
create table room_reaper.cancelled_destructions (
  destruction_id  text primary key,
  cancelled_at    timestamptz not null default now(),
  cancelled_by    text
);

alter table room_reaper.destructions
  -- How often it was begun anew after it had ended: its job was retried from the failed set.
  add column reopened     int not null default 0,
  -- Since when it is begun anew; null once its job is in the failed set again.
  add column reopened_at  timestamptz;

-- The rooms of a replay, chosen once: what it adds to the queue, also where it is interrupted
-- at that, and which destruction each of them takes the place of.
create table room_reaper.replays (
  batch_id     text not null references room_reaper.batches (id) on delete cascade,
  position     int not null,
  room_id      text not null,
  replaced_id  text not null,
  primary key (batch_id, position)
);
