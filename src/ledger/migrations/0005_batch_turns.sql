-- The BullMQ priority of the batch's last room: what waits up to it is ahead of the batch's end.
-- Null: not all of it is on the queue yet, or it was put there by an earlier version.
alter table room_reaper.batches add column last_priority int;
