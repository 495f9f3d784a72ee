-- Who works on a line: a row for each worker, written every few seconds while it lives. A small
-- table of rows that change all the time: room for HOT updates.
create table room_reaper.workers (
  id               text primary key,
  line_id          text not null,
  sdk_app_id       bigint not null,
  -- The machine's name and the process there: how people call it.
  host             text not null,
  pid              int not null,
  version          text not null,
  -- The first characters of a hash of its key: whether two workers have the same one.
  key_fingerprint  text not null,
  -- running, stopped (with its line), probing, holding_back or ended.
  state            text not null,
  -- Why it holds back.
  reason           text,
  in_hand          int not null,
  started_at       timestamptz not null default clock_timestamp(),
  seen_at          timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

alter table room_reaper.lines
  -- The worker that said why the line is stopped.
  add column stop_worker text,
  -- Id of the worker whose request stopped the line, or to whom the last probe went.
  add column probed_by text;
