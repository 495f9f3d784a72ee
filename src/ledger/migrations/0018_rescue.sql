-- More than one answer says of a room: whether it is still the room that was meant, and what its
-- statistics were, from a snapshot before it was destroyed or from a webhook after it.

-- Nothing is sent for a room that was created later than this: it is another one. Null: not asked.
-- snapshot_at: when the statistics were read, where statistics_source is 'snapshot'; 'webhook' is
-- the other source beside 'response'.
alter table room_reaper.destructions
  add column only_created_before timestamptz,
  add column snapshot_at timestamptz,
  drop constraint destructions_outcome_check;
-- Not valid: what is there satisfies it, and a look at each row would hold up the workers.
alter table room_reaper.destructions add constraint destructions_outcome_check
  check (outcome in ('destroyed', 'destroyed_statistics_lost', 'already_gone', 'recreated', 'rejected',
                     'failed', 'expired', 'cancelled')) not valid;

alter table room_reaper.batches
  add column recreated int not null default 0,
  -- What its rooms were asked for with: a list that is put on the queue later needs it.
  add column snapshot boolean not null default false,
  add column only_created_before timestamptz;

-- What a room's statistics were just before it was destroyed.
create table room_reaper.snapshots (
  destruction_id             text primary key,
  taken_at                   timestamptz not null,
  total_viewers              bigint not null,
  total_gifts_sent           bigint not null,
  total_gift_coins           bigint not null,
  total_unique_gift_senders  bigint not null,
  total_likes_received       bigint not null
);

-- What the API told of the end of rooms (Live.CallbackAfterDestroyRoom), whoever ended them.
create table room_reaper.room_events (
  sdk_app_id                 bigint not null,
  room_id                    text not null,
  -- The time of the event, by the API's clock.
  ended_at                   timestamptz not null,
  ended_by                   text not null check (ended_by in ('user', 'system')),
  operator                   text,
  -- Null: the event had no statistics.
  total_viewers              bigint,
  total_gifts_sent           bigint,
  total_gift_coins           bigint,
  total_unique_gift_senders  bigint,
  total_likes_received       bigint,
  received_at                timestamptz not null default clock_timestamp(),
  -- The destruction whose room this was; an event belongs to one at most.
  destruction_id             text,
  primary key (sdk_app_id, room_id, ended_at)
);

create index room_events_received_at on room_reaper.room_events (received_at);

-- Whether the stop of a line holds the other commands of its app and host too: a wrong key does.
alter table room_reaper.lines add column stop_holds_all boolean not null default false;

-- As before, with the new outcome.
create or replace function room_reaper.write_batch_event() returns trigger language plpgsql as $$
declare
  joined jsonb;
begin
  select coalesce(jsonb_object_agg(x.outcome, x.rooms), '{}') into joined from (
    select d.outcome, count(*)::int as rooms
      from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
     where j.batch_id = new.id and d.outcome is not null group by d.outcome) x;
  insert into room_reaper.events (sdk_app_id, type, data)
  select new.sdk_app_id, e.type, jsonb_build_object(
      'batchId', new.id, 'name', new.name, 'sdkAppId', new.sdk_app_id, 'total', new.total,
      'by', new.asked_by, 'note', new.note, 'createdAt', room_reaper.iso(new.created_at),
      'finishedAt', room_reaper.iso(new.finished_at), 'cancelledAt', room_reaper.iso(new.cancelled_at),
      'cancelledBy', new.cancelled_by,
      'outcomes', (
        select jsonb_object_agg(o.outcome, o.rooms + coalesce((joined ->> o.outcome)::int, 0))
          from (values ('destroyed', new.destroyed),
                       ('destroyed_statistics_lost', new.destroyed_statistics_lost),
                       ('already_gone', new.already_gone), ('recreated', new.recreated),
                       ('rejected', new.rejected), ('failed', new.failed), ('expired', new.expired),
                       ('cancelled', new.cancelled)) o (outcome, rooms)))
    from (values ('batch.cancelled', old.cancelled_at is null and new.cancelled_at is not null),
                 ('batch.finished', old.finished_at is null and new.finished_at is not null)) e (type, is_true)
   where e.is_true;
  return null;
end $$;

-- As before, with the command: those that only read have lines of their own.
create or replace function room_reaper.write_line_event() returns trigger language plpgsql as $$
declare
  was text := case when old.stopped_at is null then 'running' when old.outage then 'outage' else 'stopped' end;
  is_now text := case when new.stopped_at is null then 'running' when new.outage then 'outage' else 'stopped' end;
begin
  insert into room_reaper.events (sdk_app_id, type, data)
  select new.sdk_app_id, e.type, jsonb_build_object(
      'sdkAppId', new.sdk_app_id, 'host', new.host, 'command', regexp_replace(new.command, '.*/', ''),
      'since', room_reaper.iso(e.since),
      'code', e.code, 'reason', e.reason, 'remedy', e.remedy)
    from (values
      ('line.outage_ended', was = 'outage' and is_now <> 'outage', old.stopped_at, old.stop_code, old.stop_reason, null),
      ('line.resumed', was = 'stopped' and is_now <> 'stopped', old.stopped_at, old.stop_code, old.stop_reason, null),
      ('line.stopped', was <> 'stopped' and is_now = 'stopped', new.stopped_at, new.stop_code, new.stop_reason, new.stop_remedy),
      ('line.outage_began', was <> 'outage' and is_now = 'outage', new.stopped_at, new.stop_code, new.stop_reason, null)
    ) e (type, is_true, since, code, reason, remedy)
   where e.is_true;
  return null;
end $$;
