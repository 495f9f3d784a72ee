-- Which destruction an event of a room belongs to, and what follows for its statistics
-- (docs/architecture.md, "The webhook").

-- How long each worker waits for an answer: until then the API may act. Null: a worker of an older
-- version.
alter table room_reaper.workers add column request_timeout_ms int;

-- An event is written and then given its destruction: room for a HOT update.
alter table room_reaper.room_events set (fillfactor = 80);

-- Destructions whose statistics are from another source than the answer. So few that a status can
-- count them; an index on destructions would cost each room its HOT update.
create table room_reaper.rescued (
  destruction_id  text primary key,
  batch_id        text,
  outcome         text not null,
  source          text not null
);
create index rescued_by_batch on room_reaper.rescued (batch_id);

-- One attribution at a time for each room, until the transaction's end. Whoever takes several takes
-- them in the order of these keys. A row lock would not do: an end that is being recorded, and an
-- event that is being written, do not see each other.
create function room_reaper.room_lock(app bigint, room text) returns int language sql immutable as $$
  select hashtext(app || ' ' || room)
$$;

-- The events of a room, each given to at most one destruction, and each destruction at most one:
-- in the order of the events' times, so that the same facts give the same answer in whatever order
-- they came. What earlier events got does not depend on later ones. So only those from `since` on
-- are looked at: a later answer for all the room's years would cost as much as its first.
--
-- An event is of
-- 1. a destruction that acted at that time: one of its attempts that may have destroyed the room was
--    sent no later than 5 s after the event (clocks differ) and no earlier than a request's timeout
--    and 60 s before it. Of several the one that acted nearest to the event, whether it has its
--    statistics or lost them: a room that is destroyed, created again and destroyed again within a
--    minute has an event of each, and only their times tell them apart.
--    One that has the statistics of its answer ended the life of that answer, and no other: an earlier
--    attempt of it, whose answer was lost, may have ended the life before.
-- 2. else the oldest destruction that found the room gone, first sent within 24 h after the event.
-- It fills the destruction's statistics, unless that has those of its answer.
--
-- Call it with the lock of the room held.
create function room_reaper.attribute_room(app bigint, room text, since timestamptz default '-infinity')
returns void language plpgsql as $$
declare
  -- REQUEST_TIMEOUT_MS of a worker that did not tell it.
  usual_timeout_ms constant int := 8000;
  -- The longest that can be set, and a minute: what ended before that acted before the event.
  longest_reach constant interval := interval '11 minutes';
  event record;
  owner text;
  taken text[];
  touched text[] := '{}';
begin
  select coalesce(array_agg(e.destruction_id), '{}') into taken from room_reaper.room_events e
   where e.sdk_app_id = app and e.room_id = room and e.ended_at < since and e.destruction_id is not null;
  for event in
    select e.ended_at, e.destruction_id from room_reaper.room_events e
     where e.sdk_app_id = app and e.room_id = room and e.ended_at >= since order by e.ended_at
  loop
    -- Looked up one by one: a join could come to read all attempts.
    select d.id into owner
      from room_reaper.destructions d,
      lateral (
        select min(greatest(t.sent_at - event.ended_at, event.ended_at - t.sent_at)) as distance
          from room_reaper.attempts a, lateral (select coalesce(a.sent_at, a.slot_at) as sent_at) t
         where a.destruction_id = d.id
           and case when d.outcome = 'destroyed' then a.verdict = 'destroyed'
                    else a.ended_at is null or a.may_have_acted or a.verdict = 'destroyed' end
           and t.sent_at <= event.ended_at + interval '5 seconds'
           and t.sent_at >= event.ended_at - interval '60 seconds' - interval '1 millisecond' * coalesce(
                 (select w.request_timeout_ms from room_reaper.workers w where w.id = a.worker_id),
                 usual_timeout_ms)) acted
     where d.sdk_app_id = app and d.room_id = room
       and d.outcome in ('destroyed', 'destroyed_statistics_lost') and d.id <> all (taken)
       and d.finished_at > event.ended_at - longest_reach
       and acted.distance is not null
     order by acted.distance, d.id limit 1;
    if owner is null then
      select d.id into owner
        from room_reaper.destructions d,
        -- One that ended by a look has no attempt.
        lateral (select coalesce(min(coalesce(a.sent_at, a.slot_at)), d.finished_at) as sent_at
                   from room_reaper.attempts a where a.destruction_id = d.id) t
       where d.sdk_app_id = app and d.room_id = room
         and d.outcome = 'already_gone' and d.id <> all (taken)
         and d.finished_at > event.ended_at
         and t.sent_at > event.ended_at and t.sent_at <= event.ended_at + interval '24 hours'
       order by d.requested_at, d.id limit 1;
    end if;
    touched := touched || event.destruction_id || owner;
    if owner is not null then taken := taken || owner; end if;
    if owner is distinct from event.destruction_id then
      update room_reaper.room_events e set destruction_id = owner
       where e.sdk_app_id = app and e.room_id = room and e.ended_at = event.ended_at;
    end if;
  end loop;
  perform room_reaper.fill_statistics(app, room, touched);
end $$;

-- Gives destructions of a room the statistics of their events; those without one what they had
-- before: their snapshot, or nothing. `response` is left alone.
create function room_reaper.fill_statistics(app bigint, room text, ids text[])
returns void language sql as $$
  with found as (
    select d.id, d.outcome, d.batch_id,
           case when e.total_viewers is not null then 'webhook'
                when s.destruction_id is not null then 'snapshot'
                when d.outcome = 'already_gone' then 'none' else 'lost' end as source,
           case when e.total_viewers is null then s.taken_at end as snapshot_at,
           coalesce(e.total_viewers, s.total_viewers) as total_viewers,
           coalesce(e.total_gifts_sent, s.total_gifts_sent) as total_gifts_sent,
           coalesce(e.total_gift_coins, s.total_gift_coins) as total_gift_coins,
           coalesce(e.total_unique_gift_senders, s.total_unique_gift_senders) as total_unique_gift_senders,
           coalesce(e.total_likes_received, s.total_likes_received) as total_likes_received
      from room_reaper.destructions d
      left join room_reaper.room_events e
        on e.sdk_app_id = app and e.room_id = room and e.destruction_id = d.id
      left join room_reaper.snapshots s
        on s.destruction_id = d.id and d.outcome = 'destroyed_statistics_lost'
     where d.id = any (ids) and d.outcome in ('destroyed_statistics_lost', 'already_gone')
  ),
  filled as (
    update room_reaper.destructions d
       set statistics_source = f.source, snapshot_at = f.snapshot_at, total_viewers = f.total_viewers,
           total_gifts_sent = f.total_gifts_sent, total_gift_coins = f.total_gift_coins,
           total_unique_gift_senders = f.total_unique_gift_senders,
           total_likes_received = f.total_likes_received
      from found f
     where d.id = f.id
       and (d.statistics_source, d.snapshot_at, d.total_viewers, d.total_gifts_sent, d.total_gift_coins,
            d.total_unique_gift_senders, d.total_likes_received)
         is distinct from (f.source, f.snapshot_at, f.total_viewers, f.total_gifts_sent, f.total_gift_coins,
            f.total_unique_gift_senders, f.total_likes_received)
  ),
  told as (
    insert into room_reaper.rescued (destruction_id, batch_id, outcome, source)
    select f.id, f.batch_id, f.outcome, f.source from found f where f.source in ('webhook', 'snapshot')
    on conflict (destruction_id) do update set outcome = excluded.outcome, source = excluded.source
      where (rescued.outcome, rescued.source) is distinct from (excluded.outcome, excluded.source)
  )
  delete from room_reaper.rescued r using found f
   where r.destruction_id = f.id and f.source not in ('webhook', 'snapshot')
$$;

-- The end of a destruction, in the statement that records it: it may be what an event waited for, or
-- take an event away from another. For a whole statement at once, so that the locks are taken in
-- order; a trigger for a column, or for each row, could not.
create function room_reaper.attribute_ended() returns trigger language plpgsql as $$
declare
  locks int;
  ended record;
begin
  select count(pg_advisory_xact_lock(1919905645, k.key)) into locks
    from (select distinct room_reaper.room_lock(n.sdk_app_id, n.room_id) as key
            from new_rows n join old_rows o on o.id = n.id
           where n.outcome is distinct from o.outcome
             and n.outcome in ('destroyed', 'destroyed_statistics_lost', 'already_gone')
           order by 1) k;
  -- No end, or none of a room that is gone. (That it is gone is never taken back.)
  if locks = 0 then return null; end if;
  for ended in
    select c.* from (
      select n.sdk_app_id, n.room_id, n.id, n.finished_at, n.statistics_source,
             o.outcome is not null as had_ended,
             exists (select from room_reaper.room_events e
                      where e.sdk_app_id = n.sdk_app_id and e.room_id = n.room_id) as has_events
        from new_rows n join old_rows o on o.id = n.id
       where n.outcome is distinct from o.outcome
         and n.outcome in ('destroyed', 'destroyed_statistics_lost', 'already_gone')) c
     where c.had_ended or c.has_events or c.statistics_source = 'snapshot'
     order by c.id
  loop
    if ended.had_ended then
      delete from room_reaper.rescued r where r.destruction_id = ended.id;
    end if;
    if ended.statistics_source = 'snapshot' then
      perform room_reaper.fill_statistics(ended.sdk_app_id, ended.room_id, array[ended.id]);
    end if;
    if ended.has_events then
      perform room_reaper.attribute_room(ended.sdk_app_id, ended.room_id,
        (select coalesce(min(coalesce(a.sent_at, a.slot_at)), ended.finished_at)
           from room_reaper.attempts a where a.destruction_id = ended.id) - interval '24 hours');
    end if;
  end loop;
  return null;
end $$;

create trigger attribution after update on room_reaper.destructions
  referencing old table as old_rows new table as new_rows
  for each statement execute function room_reaper.attribute_ended();

-- Writes events down, and what follows for the rooms. One element per event in each array;
-- ended_ms in epoch milliseconds, totals null where there are none. Returns for each, in that order,
-- whether it is 'received', 'repeated', or a repetition that 'completed' one without statistics.
create function room_reaper.take_room_events(
  app bigint, rooms text[], ended_ms float8[], ended_by text[], operators text[], viewers bigint[],
  gifts_sent bigint[], gift_coins bigint[], unique_gift_senders bigint[], likes_received bigint[]
) returns table (result text) language plpgsql as $$
declare
  results text[] := '{}';
  key int;
  event record;
begin
  for key in select distinct room_reaper.room_lock(app, room) from unnest(rooms) as r (room) order by 1 loop
    perform pg_advisory_xact_lock(1919905645, key);
  end loop;
  for i in 1..cardinality(rooms) loop
    insert into room_reaper.room_events as e
      (sdk_app_id, room_id, ended_at, ended_by, operator, total_viewers, total_gifts_sent,
       total_gift_coins, total_unique_gift_senders, total_likes_received)
    values (app, rooms[i], timestamptz 'epoch' + ended_ms[i] * interval '1 millisecond', ended_by[i],
            operators[i], viewers[i], gifts_sent[i], gift_coins[i], unique_gift_senders[i], likes_received[i])
    on conflict (sdk_app_id, room_id, ended_at) do update
      set total_viewers = excluded.total_viewers, total_gifts_sent = excluded.total_gifts_sent,
          total_gift_coins = excluded.total_gift_coins,
          total_unique_gift_senders = excluded.total_unique_gift_senders,
          total_likes_received = excluded.total_likes_received
      where e.total_viewers is null and excluded.total_viewers is not null
    -- A row that was there has been written by somebody.
    returning case when e.xmax = 0 then 'received' else 'completed' end into result;
    results := results || coalesce(result, 'repeated');
  end loop;
  for event in
    select r.room, timestamptz 'epoch' + min(r.at) * interval '1 millisecond' as since
      from unnest(rooms, ended_ms, results) as r (room, at, what)
     where r.what <> 'repeated' group by r.room
  loop
    perform room_reaper.attribute_room(app, event.room, event.since);
  end loop;
  return query select unnest(results);
end $$;
