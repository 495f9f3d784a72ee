/** Sessions of browsers, as the ledger keeps them: by the SHA-256 of their secret. */
import type { Database } from './database.js';

export interface StoredSession {
  sha256: Buffer;
  /** Of the token that it was made with. */
  tokenSha256: Buffer;
  expiresAtMs: number;
}

/**
 * Adds a session, and deletes those of the app that have expired and the oldest of its token.
 *
 * $1 SDKAppID, $2 SHA-256, $3 SHA-256 of the token, $4 when it expires and $5 now, in milliseconds
 * since the epoch, $6 how many others of the token may stay. Rows that another statement is
 * deleting are left to it.
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
)
insert into room_reaper.sessions (sdk_app_id, sha256, token_sha256, expires_at)
values ($1, $2, $3, to_timestamp($4::float8 / 1000))`;

/** @param most - how many a token may have; the oldest make room. */
export async function addSession(
  database: Database,
  sdkAppId: number,
  { sha256, tokenSha256, expiresAtMs }: StoredSession,
  { nowMs, most }: { nowMs: number; most: number },
): Promise<void> {
  const values = [sdkAppId, sha256, tokenSha256, expiresAtMs, nowMs, most - 1];
  await database.query('session-add', addSql, values);
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
