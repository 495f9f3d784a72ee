-- The outage brake, and the quota that the API was found to allow.

alter table room_reaper.lines
  -- An outage of the API is a stop of another kind: no person need mend anything, nothing is
  -- given back, and a probe goes every two seconds. stopped_at, stop_code and stop_reason
  -- say since when and why.
  add column outage boolean not null default false,
  -- When some worker last had an answer that shows the API at work. Kept by reservations.
  add column answered_at timestamptz,
  -- The rate (per second) that was in force when the API last said "over quota".
  add column over_quota_rate double precision,
  add column over_quota_at timestamptz;
