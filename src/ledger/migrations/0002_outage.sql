-- The outage brake, and the quota that the API was found to allow.

alter table room_reaper.lines
  -- An outage of the API is a stop of another kind: no person need mend anything, nothing is
  -- given back, and a probe goes every two seconds. stopped_at, stop_code and stop_reason
  -- say since when and why.
  add column outage boolean not null default false,
  -- When some worker last had an answer that shows the API at work. Kept by reservations.
  add column answered_at timestamptz,
  -- What was sent in the second before the API last said "over quota".
  add column over_quota_rate double precision,
  add column over_quota_at timestamptz;

-- The interval in force: the full one, or that of a brake put on so many seconds ago, when the
-- API said "over quota" at `over_quota_rate`. It climbs back fast to nine tenths of that rate,
-- where the API still allowed it; slowly through the tenth on either side, where its quota
-- probably lies; and fast again above, for whoever shared the quota has left.
drop function room_reaper.interval_in_force(float8, float8, float8, float8);
create function room_reaper.interval_in_force(
  full_interval_ms float8, braked_rate float8, over_quota_rate float8, braked_seconds float8
) returns float8 language sql immutable as $$
  select greatest(full_interval_ms, 1000 / case
    when braked_seconds < fast then braked_rate + braked_seconds * 0.2 * over_quota_rate
    when braked_seconds < fast + slow then near + (braked_seconds - fast) * 0.01 * over_quota_rate
    else near + slow * 0.01 * over_quota_rate + (braked_seconds - fast - slow) * 0.05 * 1000 / full_interval_ms
  end)
  from (select greatest(braked_rate, 0.9 * over_quota_rate) as near) a,
    lateral (select (near - braked_rate) / (0.2 * over_quota_rate) as fast,
                    greatest(0, 1.1 * over_quota_rate - near) / (0.01 * over_quota_rate) as slow) b
$$;
