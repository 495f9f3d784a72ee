-- A replay leaves alone what was created after its room was first asked for: that is another room.
-- Written down with the choice, because the destruction that is replaced may be pruned before its turn.
alter table room_reaper.replays add column only_created_before timestamptz;

-- Of replays whose rooms are still put on the queue.
update room_reaper.replays r
   set only_created_before = coalesce(d.only_created_before,
         (select min(t.sent_at) from room_reaper.attempts t where t.destruction_id = d.id), d.requested_at)
  from room_reaper.destructions d, room_reaper.batches b
 where d.id = r.replaced_id and b.id = r.batch_id and b.enqueued_at is null;
