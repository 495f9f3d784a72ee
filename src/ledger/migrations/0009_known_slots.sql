-- The recent slots, as far as they are to be believed. Where a worker knows a newer slot than the
-- row, the row comes from before it: the server was replaced by one that lacks the last moments.
-- Where the newest slot lies further ahead than any queue of them, the clock went back. In both
-- cases nobody knows what was sent in the last second, and it begins as in a new line: as if every
-- slot up to a full window ahead were taken.
create function room_reaper.known_slots(
  recent float8[], newest_known_ms float8, now_ms float8, interval_ms float8, window_slots int
) returns float8[] language plpgsql immutable as $$
declare
  window_ms constant float8 := 1000;
  newest float8 := recent[cardinality(recent)];
  farthest float8 := now_ms + greatest(60000, 1000 * interval_ms);
  taken_until float8;
begin
  -- Half a millisecond: they went through other formats.
  if newest <= farthest and coalesce(newest_known_ms, 0) <= newest + 0.5 then
    return recent;
  end if;
  taken_until := window_ms + case when newest_known_ms between now_ms and farthest then newest_known_ms else now_ms end;
  return array(select taken_until - n * interval_ms from generate_series(window_slots, 1, -1) n);
end $$;
