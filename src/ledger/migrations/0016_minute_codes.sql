-- Answers that were errors, by code; `none`: there was no answer.
alter table room_reaper.minutes add column codes jsonb not null default '{}';

-- When the queue was paused is drawn beside what was sent.
create index actions_of_pauses on room_reaper.actions (sdk_app_id, id desc)
  where what in ('queue.pause', 'queue.resume');
