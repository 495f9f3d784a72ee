-- What is asked for over HTTP. A list is kept here, with its batch, until all its rooms are on the
-- queue: whoever asked was told that it is safe. Any server puts it there, one at a time.
create table room_reaper.lists (
  batch_id      text primary key,
  sdk_app_id    bigint not null,
  parts_id      text not null,
  lane          text not null,
  not_before    timestamptz,
  -- Rooms of parts up to this one may be on the queue already; those behind it are not.
  begun_to      int not null,
  claimed_until timestamptz,
  -- Not before then: it failed for a reason that passes.
  due_at        timestamptz not null default clock_timestamp()
);

-- Many rooms a row: a row for each would take as long to write as the batch to destroy.
create table room_reaper.list_parts (
  parts_id   text not null,
  position   int not null,
  room_ids   text[] not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (parts_id, position)
);

-- Of a batch that a token asked for: its name. Who has it may look at the batch.
alter table room_reaper.batches add column token text;

-- The first answer to a request that is told from others by a key of its client.
create table room_reaper.answers (
  sdk_app_id    bigint not null,
  token         text not null,
  key           text not null,
  fingerprint   text not null,
  -- The id that the request gives to what it makes: done again, it makes the same.
  subject       text not null,
  claimed_until timestamptz not null,
  keep_until    timestamptz not null,
  -- Null: it is under way, or was broken off.
  status        int,
  body          text,
  primary key (sdk_app_id, token, key)
);

-- Who did what, by which way, and how it ended.
create table room_reaper.actions (
  id         bigint generated always as identity primary key,
  sdk_app_id bigint not null,
  at         timestamptz not null default clock_timestamp(),
  who        text not null,
  role       text,
  way        text not null check (way in ('api', 'dashboard', 'cli')),
  what       text not null,
  target     text,
  reason     text,
  counts     jsonb,
  -- `done`, or the code of the error; null: it did not come to an end.
  outcome    text
);

create index actions_by_app on room_reaper.actions (sdk_app_id, id desc);
create index actions_by_target on room_reaper.actions (target) where target is not null;
