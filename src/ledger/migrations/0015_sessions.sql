-- A token that a browser gave for a cookie. Of the cookie its SHA-256 is kept alone: reading the
-- ledger signs nobody in. A session counts while its token does, be that of the ledger or of a file.
create table room_reaper.sessions (
  sha256       bytea primary key,
  sdk_app_id   bigint not null,
  token_sha256 bytea not null,
  expires_at   timestamptz not null
);

create index sessions_by_token on room_reaper.sessions (sdk_app_id, token_sha256);
