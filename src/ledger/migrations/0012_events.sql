-- What others are told of (src/operations/notify.ts). An event is written by the very statement
-- that makes it true, so none is lost and none is made up; it is delivered later, from here.
create table room_reaper.events (
  -- The receiver knows a repetition by it.
  id          text primary key default gen_random_uuid()::text,
  sdk_app_id  bigint not null,
  type        text not null,
  data        jsonb not null,
  created_at  timestamptz not null default clock_timestamp(),
  -- When it is tried next. Null: delivered, or given up.
  due_at      timestamptz default clock_timestamp(),
  tries       int not null default 0,
  -- Why the last try failed; null where it did not.
  trouble     text
);

create index events_due on room_reaper.events (sdk_app_id, due_at) where due_at is not null;
create index events_created_at on room_reaper.events (created_at);

create function room_reaper.iso(at timestamptz) returns text language sql immutable as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The counters of a batch leave out the rooms that were pending under another destruction.
create function room_reaper.write_batch_event() returns trigger language plpgsql as $$
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
                       ('already_gone', new.already_gone), ('rejected', new.rejected),
                       ('failed', new.failed), ('expired', new.expired),
                       ('cancelled', new.cancelled)) o (outcome, rooms)))
    from (values ('batch.cancelled', old.cancelled_at is null and new.cancelled_at is not null),
                 ('batch.finished', old.finished_at is null and new.finished_at is not null)) e (type, is_true)
   where e.is_true;
  return null;
end $$;

create trigger batch_event after update of cancelled_at, finished_at on room_reaper.batches
  for each row when (old.cancelled_at is null and new.cancelled_at is not null
                     or old.finished_at is null and new.finished_at is not null)
  execute function room_reaper.write_batch_event();

-- A line runs, is stopped, or is in an outage. Reservations write neither column.
create function room_reaper.write_line_event() returns trigger language plpgsql as $$
declare
  was text := case when old.stopped_at is null then 'running' when old.outage then 'outage' else 'stopped' end;
  is_now text := case when new.stopped_at is null then 'running' when new.outage then 'outage' else 'stopped' end;
begin
  insert into room_reaper.events (sdk_app_id, type, data)
  select new.sdk_app_id, e.type, jsonb_build_object(
      'sdkAppId', new.sdk_app_id, 'host', new.host, 'since', room_reaper.iso(e.since),
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

create trigger line_event after update of stopped_at, outage on room_reaper.lines
  for each row when ((old.stopped_at is null) <> (new.stopped_at is null) or old.outage <> new.outage)
  execute function room_reaper.write_line_event();
