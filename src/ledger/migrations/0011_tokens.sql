-- Who may ask over HTTP, and as what. A token is kept as its SHA-256 alone: reading the ledger gives
-- nobody a token. A name can be given again once its token was revoked, which deletes the row.
create table room_reaper.tokens (
  sdk_app_id bigint not null,
  name       text not null,
  role       text not null check (role in ('viewer', 'producer', 'operator')),
  sha256     bytea not null unique,
  created_by text not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  primary key (sdk_app_id, name)
);
