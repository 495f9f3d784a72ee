/** Sessions of browsers, as the ledger keeps them: by the SHA-256 of their secret. */
import { readColumn, type Database } from './database.js';

export interface StoredSession {
  sha256: Buffer;
  /** Of the token that it was made with. */
  tokenSha256: Buffer;
  expiresAtMs: number;
}

/**
 * Adds a session, and deletes those of the app that have expired and the oldest of its token. Where
 * the token is a link, the same statement uses it up: without a link that counts it adds none.
 *
 * $1 SDKAppID, $2 SHA-256, $3 SHA-256 of the token, $4 when it expires and $5 now, in milliseconds
 * since the epoch, $6 how many others of the token may stay, $7 whether it is a link. Rows that
 * another statement is deleting are left to it; of two that use one link, one finds it used.
 */
const addSql = `
with expired as (
  select sha256 from room_reaper.sessions
   where sdk_app_id = $1 and expires_at <= to_timestamp($5::float8 / 1000)
     for update skip locked
), surplus as (
  select sha256 from room_reaper.sessions
   where sdk_app_id = $1 and token_sha256 = $3
   order by expires_at desc offset $6
     for update skip locked
), gone as (
  delete from room_reaper.sessions
   where sha256 in (select sha256 from expired union all select sha256 from surplus)
), used as (
  update room_reaper.tokens set link = 'used', expires_at = to_timestamp($4::float8 / 1000)
   where $7::boolean and sdk_app_id = $1 and sha256 = $3 and link = 'open'
     and expires_at > to_timestamp($5::float8 / 1000)
  returning sha256
)
insert into room_reaper.sessions (sdk_app_id, sha256, token_sha256, expires_at)
select $1, $2, $3, to_timestamp($4::float8 / 1000)
 where not $7::boolean or exists (select from used)
returning sha256`;

/**
 * @param most - how many a token may have; the oldest make room.
 * @param isLink - the token is a link, which this uses up.
 * @returns false where the link does not count any more.
 */
export async function addSession(
  database: Database,
  sdkAppId: number,
  { sha256, tokenSha256, expiresAtMs }: StoredSession,
  { nowMs, most, isLink }: { nowMs: number; most: number; isLink: boolean },
): Promise<boolean> {
  const values = [sdkAppId, sha256, tokenSha256, expiresAtMs, nowMs, most - 1, isLink];
  return (await readColumn(database, 'session-add', addSql, values)).length > 0;
}

/** $1 SDKAppID, $2 SHA-256. */
const readSql = `
select token_sha256, extract(epoch from expires_at)::float8 * 1000 as expires_at
  from room_reaper.sessions where sdk_app_id = $1 and sha256 = $2`;

interface SessionRow {
  token_sha256: Buffer;
  expires_at: number;
}

/** Also one that has expired. */
export async function readSession(
  database: Database,
  sdkAppId: number,
  sha256: Buffer,
): Promise<StoredSession | undefined> {
  const [row] = await database.query<SessionRow>('session', readSql, [sdkAppId, sha256]);
  return row && { sha256, tokenSha256: row.token_sha256, expiresAtMs: row.expires_at };
}

/** $1 SDKAppID, $2 SHA-256. */
const deleteSql = `delete from room_reaper.sessions where sdk_app_id = $1 and sha256 = $2`;

export async function deleteSession(
  database: Database,
  sdkAppId: number,
  sha256: Buffer,
): Promise<void> {
  await database.query('session-delete', deleteSql, [sdkAppId, sha256]);
}
