-- A link that signs a browser in, once, as whoever the row names. `open`: it was not used yet, and ends
-- with `expires_at`. `used`: what its one session goes by. Null: a token, for programs and pages alike.
alter table room_reaper.tokens add column link text check (link in ('open', 'used'));
