-- The body of an answer of which not all could be read: without the signature, at most 2,000
-- characters and their escapes. It may hold statistics, which come once.
alter table room_reaper.attempts add column raw_answer text;
