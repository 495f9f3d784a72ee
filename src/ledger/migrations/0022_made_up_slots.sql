-- `grant_slots` (0001), where slots that were given up are made up for at up to twice the pace, and
-- no longer at ten ninths of it: what is granted already lies behind the gap they leave, and all of
-- it counts as late until the line has caught up. What an idle line did not use is not made up for
-- so fast: its slots would come in bunches from then on, for each follows the one a window before.
create or replace function room_reaper.grant_slots(
  recent float8[], given_up float8[], now_ms float8, not_before_ms float8,
  wanted int, interval_ms float8, window_slots int
) returns float8[] language plpgsql immutable as $$
declare
  held float8[] := recent;
  known int;
  slot float8;
  -- The slot before the new one, and when the window before it is over.
  last float8;
  free_at float8;
  -- Two processes read the clock of the database, each with an error of part of a round trip.
  clock_error_ms constant float8 := 2;
  window_ms constant float8 := window_slots * interval_ms;
begin
  if cardinality(given_up) > 0 then
    select coalesce(array_agg(x order by x), '{}') into held from unnest(recent) x where x <> all (given_up);
  end if;
  known := cardinality(held);
  for k in 1..wanted loop
    last := held[known + k - 1];
    -- What is older than all that is remembered is taken to be the oldest: too late is safe.
    free_at := held[greatest(1, known + k - window_slots)] + window_ms + clock_error_ms;
    slot := greatest(now_ms, not_before_ms, free_at,
      last + interval_ms * case when last + interval_ms - free_at < window_ms / 4 then 0.5 else 0.9 end);
    held := held || slot;
  end loop;
  return held[greatest(1, cardinality(held) - greatest(window_slots + 19, wanted - 1)):];
end $$;
