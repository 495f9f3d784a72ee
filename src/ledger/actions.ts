/** The action log: who did what, by which way, and how it ended. */
import { readColumn, type Database } from './database.js';

export type Way = 'api' | 'dashboard' | 'cli';

export interface NewAction {
  who: string;
  /** Of a token; undefined: a user of the machine. */
  role: string | undefined;
  way: Way;
  what: string;
  /** Id of a batch or a destruction, or a name. */
  target: string | undefined;
  reason: string | undefined;
}

export interface Action extends NewAction {
  id: string;
  atMs: number;
  counts: Readonly<Record<string, unknown>> | undefined;
  /** `done`, or the code of an error; undefined: it did not come to an end. */
  outcome: string | undefined;
}

/** $1 SDKAppID, $2 who, $3 role, $4 way, $5 what, $6 target, $7 reason. */
const addSql = `
insert into room_reaper.actions (sdk_app_id, who, role, way, what, target, reason)
values ($1, $2, $3, $4, $5, $6, $7) returning id::text`;

/** @returns its id. */
export async function addAction(
  database: Database,
  sdkAppId: number,
  { who, role, way, what, target, reason }: NewAction,
): Promise<string> {
  const values = [sdkAppId, who, role ?? null, way, what, target ?? null, reason ?? null];
  return (await readColumn<string>(database, 'action-add', addSql, values))[0] ?? '';
}

/** $1 id, $2 outcome, $3 counts, $4 target. */
const endSql = `
update room_reaper.actions set outcome = $2, counts = $3::jsonb, target = coalesce($4, target) where id = $1`;

export async function endAction(
  database: Database,
  id: string,
  { outcome, counts, target }: Partial<Pick<Action, 'outcome' | 'counts' | 'target'>>,
): Promise<void> {
  const values = [id, outcome ?? null, counts ? JSON.stringify(counts) : null, target ?? null];
  await database.query('action-end', endSql, values);
}

/** $1 SDKAppID, $2 before this id, or null; $3 most rows. */
const readSql = `
select a.id::text, extract(epoch from a.at)::float8 * 1000 as at, who, role, way, what, target, reason, counts, outcome
  from room_reaper.actions a where a.sdk_app_id = $1 and ($2::bigint is null or a.id < $2)
 order by a.id desc limit $3`;

type ActionRow = Record<'id' | 'who' | 'what', string> &
  Record<'role' | 'target' | 'reason' | 'outcome', string | null> & {
    at: number;
    way: Way;
    counts: Record<string, unknown> | null;
  };

/** Newest first. @param before - the id that they come before. */
export async function readActions(
  database: Database,
  sdkAppId: number,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<Action[]> {
  const values = [sdkAppId, before ?? null, limit];
  const rows = await database.query<ActionRow>('actions', readSql, values);
  return rows.map((row) => ({
    ...{ id: row.id, atMs: row.at, who: row.who, role: row.role ?? undefined, way: row.way },
    ...{ what: row.what, target: row.target ?? undefined, reason: row.reason ?? undefined },
    ...{ counts: row.counts ?? undefined, outcome: row.outcome ?? undefined },
  }));
}

/** $1 SDKAppID, $2 who, $3 batch ids, $4 destruction ids. */
const askedSql = `
select exists (select from room_reaper.batches where sdk_app_id = $1 and id = any ($3::text[]) and token = $2)
    or exists (select from room_reaper.actions
                where sdk_app_id = $1 and target = any ($4::text[]) and who = $2 and way <> 'cli')`;

/** Whether a token asked for one of these. */
export async function isAskedBy(
  database: Database,
  sdkAppId: number,
  token: string,
  { batches, destructions }: { batches: readonly string[]; destructions: readonly string[] },
): Promise<boolean> {
  const values = [sdkAppId, token, batches, destructions];
  return (await readColumn<boolean>(database, 'asked-by', askedSql, values))[0] ?? false;
}
