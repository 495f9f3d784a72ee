/** Tokens of the HTTP API, as the ledger keeps them: by name, with their SHA-256. */
import { readColumn, type Database } from './database.js';

/** What a token is for: looking, asking for rooms, or everything. */
export const roles = ['viewer', 'producer', 'operator'] as const;

export type Role = (typeof roles)[number];

export interface StoredToken {
  name: string;
  role: Role;
  sha256: Buffer;
  /** Who made it. */
  by: string;
  createdAtMs: number;
  /** undefined: never. */
  expiresAtMs: number | undefined;
  /** Of a link that signs a browser in once: whether it did. undefined: it is a token. */
  link: 'open' | 'used' | undefined;
}

/** $1 SDKAppID, $2 name, $3 role, $4 SHA-256, $5 who made it, $6 when it expires, $7 link. */
const addSql = `
insert into room_reaper.tokens (sdk_app_id, name, role, sha256, created_by, expires_at, link)
values ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000), $7)
on conflict (sdk_app_id, name) do nothing returning name`;

/** @returns false where there is one of that name. */
export async function addToken(
  database: Database,
  sdkAppId: number,
  { name, role, sha256, by, expiresAtMs, link }: Omit<StoredToken, 'createdAtMs'>,
): Promise<boolean> {
  const values = [sdkAppId, name, role, sha256, by, expiresAtMs ?? null, link ?? null];
  return (await readColumn(database, 'token-add', addSql, values)).length > 0;
}

/** $1 SDKAppID. By name. */
const readSql = `
select name, role, sha256, created_by, extract(epoch from created_at)::float8 * 1000 as created_at,
       extract(epoch from expires_at)::float8 * 1000 as expires_at, link
  from room_reaper.tokens where sdk_app_id = $1 order by name`;

interface TokenRow {
  name: string;
  role: Role;
  sha256: Buffer;
  created_by: string;
  created_at: number;
  expires_at: number | null;
  link: 'open' | 'used' | null;
}

/** All of an app, also those that have expired. */
export async function readTokens(database: Database, sdkAppId: number): Promise<StoredToken[]> {
  const rows = await database.query<TokenRow>('tokens', readSql, [sdkAppId]);
  return rows.map((row) => ({
    ...{ name: row.name, role: row.role, sha256: row.sha256, by: row.created_by },
    ...{ createdAtMs: row.created_at, expiresAtMs: row.expires_at ?? undefined },
    link: row.link ?? undefined,
  }));
}

/** $1 SDKAppID, $2 name. */
const deleteSql = `delete from room_reaper.tokens where sdk_app_id = $1 and name = $2 returning name`;

/** @returns false where there was none of that name. */
export async function deleteToken(
  database: Database,
  sdkAppId: number,
  name: string,
): Promise<boolean> {
  return (await readColumn(database, 'token-delete', deleteSql, [sdkAppId, name])).length > 0;
}

/** $1 SDKAppID, $2 now, in milliseconds since the epoch. */
const deleteLinksSql = `
delete from room_reaper.tokens
 where sdk_app_id = $1 and link is not null and expires_at <= to_timestamp($2::float8 / 1000)`;

/** Links that ran out, and what sessions went by that have ended. */
export async function deleteOldLinks(
  database: Database,
  sdkAppId: number,
  nowMs: number,
): Promise<void> {
  await database.query('links-delete', deleteLinksSql, [sdkAppId, nowMs]);
}
