-- The ledger: what was asked for, each attempt, each outcome, and the line's limiter.

-- One row per (endpoint host, SDKAppID, command): the global limiter and the state of the line.
-- Updated several times a second, so its pages keep room for HOT updates.
create table room_reaper.lines (
  id              text primary key,
  sdk_app_id      bigint not null,
  host            text not null,
  command         text not null,
  -- The newest slots granted and not given up, in epoch milliseconds, ascending.
  recent          float8[] not null,
  -- No slot before this: after a brake, and in a new database.
  not_before      timestamptz not null,
  -- Interval of the last reservation, in milliseconds.
  interval_ms     double precision not null,
  -- The brake: rate (per second) at the instant it was put on; it climbs from there. Null: not braked.
  braked_rate     double precision,
  braked_at       timestamptz,
  brake_reason    text,
  -- Stop the line: why, since when, and when one job may try again.
  stopped_at      timestamptz,
  stop_code       int,
  stop_reason     text,
  stop_remedy     text,
  probe_at        timestamptz,
  probe_pause_ms  int
) with (fillfactor = 50);

-- Compressing it at each reservation would cost more than its two kilobytes.
alter table room_reaper.lines alter column recent set storage plain;

-- The interval in force: the full one, or that of a brake put on so many seconds ago, which
-- climbs back by a share of the full rate each second.
create function room_reaper.interval_in_force(
  full_interval_ms float8, braked_rate float8, braked_seconds float8, climb_per_second float8
) returns float8 language sql immutable as $$
  select greatest(full_interval_ms,
    1000 / (braked_rate + climb_per_second * 1000 / full_interval_ms * braked_seconds))
$$;

-- The limiter's arithmetic: the recent slots with `wanted` new ones at their end.
--
-- The promise: a slot and the one `window_slots` after it are at least `window_slots` intervals
-- apart, and a little more for the clocks. Evenly spaced slots keep it, but a slot that is given up (its process was paused) would
-- then be lost for good. So the slots that are still held are remembered, those given up are
-- forgotten, and a new one may come sooner than an interval after the last, down to nine tenths
-- of it, as long as the promise holds. Lost slots are made up for; the window never overflows.
create function room_reaper.grant_slots(
  recent float8[], given_up float8[], now_ms float8, not_before_ms float8,
  wanted int, interval_ms float8, window_slots int
) returns float8[] language plpgsql immutable as $$
declare
  held float8[] := recent;
  known int;
  slot float8;
  earlier int;
  -- Two processes read the clock of the database, each with an error of part of a round trip.
  clock_error_ms constant float8 := 2;
begin
  if cardinality(given_up) > 0 then
    select coalesce(array_agg(x order by x), '{}') into held from unnest(recent) x where x <> all (given_up);
  end if;
  known := cardinality(held);
  slot := greatest(now_ms, not_before_ms, held[known] + 0.9 * interval_ms);
  for k in 1..wanted loop
    -- The slot that lies a window before the new one. What is older than all that is
    -- remembered is taken to be the oldest: too late is safe.
    earlier := greatest(1, known + k - window_slots);
    slot := greatest(slot, held[earlier] + window_slots * interval_ms + clock_error_ms);
    held := held || slot;
    slot := slot + 0.9 * interval_ms;
  end loop;
  return held[greatest(1, cardinality(held) - greatest(window_slots + 19, wanted - 1)):];
end $$;

create table room_reaper.batches (
  id                         text primary key,
  sdk_app_id                 bigint not null,
  name                       text,
  -- SHA-256 of the list of rooms: the same list again continues an unfinished batch.
  fingerprint                text,
  total                      int not null,
  created_at                 timestamptz not null default now(),
  -- When its last room was put on the queue. Null: being enqueued, or interrupted at it.
  enqueued_at                timestamptz,
  finished_at                timestamptz,
  -- Counters by outcome, kept by the statement that records an outcome.
  destroyed                  int not null default 0,
  destroyed_statistics_lost  int not null default 0,
  already_gone               int not null default 0,
  rejected                   int not null default 0,
  failed                     int not null default 0,
  expired                    int not null default 0,
  cancelled                  int not null default 0
) with (fillfactor = 50);

create index batches_unfinished on room_reaper.batches (sdk_app_id, fingerprint) where finished_at is null;

-- A destruction appears here when a worker first takes it up; until then it is on the queue.
create table room_reaper.destructions (
  id                         text primary key,
  sdk_app_id                 bigint not null,
  room_id                    text not null,
  batch_id                   text,
  requested_at               timestamptz not null,
  not_after                  timestamptz not null,
  outcome                    text check (outcome in ('destroyed', 'destroyed_statistics_lost',
                               'already_gone', 'rejected', 'failed', 'expired', 'cancelled')),
  error_code                 int,
  error_info                 text,
  request_id                 text,
  attempts                   int not null default 0,
  finished_at                timestamptz,
  total_viewers              bigint,
  total_gifts_sent           bigint,
  total_gift_coins           bigint,
  total_unique_gift_senders  bigint,
  total_likes_received       bigint,
  -- 'response'; 'lost' and 'none' where there are none, until another source fills them in.
  statistics_source          text,
  check ((outcome is not null and outcome = 'destroyed')
    = (statistics_source is not null and statistics_source = 'response'))
) with (fillfactor = 70);

create index destructions_by_batch on room_reaper.destructions (batch_id) where batch_id is not null;
create index destructions_by_room on room_reaper.destructions (sdk_app_id, room_id);

-- Rooms of a batch that were pending already under another destruction when they were asked for.
create table room_reaper.batch_joins (
  batch_id        text not null references room_reaper.batches (id) on delete cascade,
  destruction_id  text not null,
  room_id         text not null,
  primary key (batch_id, destruction_id)
);

-- One row per HTTP request, written when its slot is reserved, that is before it is sent: a row
-- without ended_at is a request that may have been sent and whose answer nobody recorded.
create table room_reaper.attempts (
  destruction_id  text not null,
  attempt         int not null,
  -- The process that holds it.
  worker_id       text not null,
  slot_at         timestamptz not null,
  sent_at         timestamptz,
  ended_at        timestamptz,
  http_status     int,
  error_code      int,
  verdict         text,
  reason          text,
  may_have_acted  boolean,
  request_id      text,
  primary key (destruction_id, attempt)
) with (fillfactor = 70);

-- The audit: what was sent when.
create index attempts_by_sent_at on room_reaper.attempts (sent_at);
