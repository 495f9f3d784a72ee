-- What was sent in each minute, for whoever draws it: counted once, after the minute has ended
-- (src/ledger/minutes.ts). A minute in which nothing was sent may have no row.
create table room_reaper.minutes (
  sdk_app_id    bigint not null,
  minute        timestamptz not null,
  requests      int not null,
  -- Most requests to one host in any sliding second that ended in this minute.
  worst_window  int not null,
  -- Requests by verdict, and destructions by outcome, at their last request.
  verdicts      jsonb not null,
  outcomes      jsonb not null,
  primary key (sdk_app_id, minute)
);
