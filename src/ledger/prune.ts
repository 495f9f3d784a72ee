/**
 * Deleting what ended long ago, in small transactions.
 *
 * What stays, however old: a destruction without an outcome; one whose deadline is not over
 * (its job may still be somewhere, and without the row it would be sent again; after the
 * deadline nothing is); and everything of a batch that is unfinished or that finished after the
 * cutoff, also what it joined, so that the report of a batch is whole for as long as the batch
 * is there, and running its list again knows what is done.
 *
 * A statement here takes a few thousand rows and commits: no lock is held for long, and it can
 * be ended between any two of them. Rows that the workers touch are those of now; these are not.
 */
import type { Database } from './database.js';
import { instant, microseconds, readLineNumbers } from './sent.js';

export interface PruneOptions {
  sdkAppId: number;
  /** What finished before this goes; microseconds since the epoch, on the database's clock. */
  beforeUs: number;
  /** Count only. */
  dryRun: boolean;
  /** Also where the deadline is not over, and so what ended less long ago than is safe. */
  force: boolean;
  /** Ends it between two statements; what was deleted by then stays so. */
  signal?: AbortSignal;
  onProgress?: (pruned: Readonly<Pruned>) => void;
  /** Rows of one transaction; default 5,000. */
  chunk?: number;
}

export interface Pruned {
  destructions: number;
  /** Attempts of those, and of destructions that are not there any more. */
  attempts: number;
  batches: number;
}

/** Rows of one transaction. */
const chunkSize = 5_000;

/** SQL: whether a batch stays; `cutoff` is an instant. */
const batchStays = (batch: string, cutoff: string) =>
  `(${batch}.finished_at is null or ${batch}.finished_at >= ${cutoff})`;

/** SQL: whether a destruction may go; `force` is a boolean. */
const mayGo = (destruction: string, cutoff: string, force: string) => `
  ${destruction}.outcome is not null and ${destruction}.finished_at < ${cutoff}
  and (${force} or ${destruction}.not_after < clock_timestamp())
  and not exists (
    select from room_reaper.batches b where b.id = ${destruction}.batch_id and ${batchStays('b', cutoff)})
  and not exists (
    select from room_reaper.batch_joins j join room_reaper.batches b on b.id = j.batch_id
     where j.destruction_id = ${destruction}.id and ${batchStays('b', cutoff)})`;

/**
 * $1 cutoff (µs), $2 SDKAppID, $3 after requested at (µs), $4 after id, $5 rows, $6 force,
 * $7 batches that stay because one of their destructions does.
 *
 * Walks by requested_at, which is not later than finished_at. Returns what was deleted, or
 * would be, and where the walk has come to; no `last_id` at its end. Locks what it deletes; what
 * only counts is no statement that could write, so that a reader may run it.
 */
const destructionsSql = (deletes: boolean) => `
with page as materialized (
  select d.id, d.sdk_app_id, d.room_id, d.batch_id, d.outcome, d.requested_at, d.finished_at, d.not_after
    from room_reaper.destructions d
   where d.requested_at < ${instant('$1')} and (d.requested_at, d.id) > (${instant('$3')}, $4::text)
   order by d.requested_at, d.id
   limit $5
),
old as materialized (
  select p.id, p.room_id from page p
   where p.sdk_app_id = $2 and ${mayGo('p', instant('$1'), '$6::bool')}
     and (p.batch_id is null or p.batch_id <> all ($7::text[]))
     and not exists (
       select from room_reaper.batch_joins j where j.destruction_id = p.id and j.batch_id = any ($7))
),
${
  deletes
    ? `
attempts_gone as (
  delete from room_reaper.attempts where destruction_id = any (array(select id from old)) returning 1
),
cancels_gone as (
  delete from room_reaper.cancelled_destructions where destruction_id = any (array(select id from old))
),
snapshots_gone as (
  delete from room_reaper.snapshots where destruction_id = any (array(select id from old))
),
rescued_gone as (
  delete from room_reaper.rescued where destruction_id = any (array(select id from old))
),
room_events_gone as (
  delete from room_reaper.room_events e using old o
   where e.sdk_app_id = $2 and e.room_id = o.room_id and e.destruction_id = o.id
),
destructions_gone as (
  delete from room_reaper.destructions where id = any (array(select id from old)) returning 1
)`
    : `
attempts_gone as (
  select from room_reaper.attempts where destruction_id = any (array(select id from old))
),
destructions_gone as (select from old)`
}
select (select count(*) from destructions_gone)::int as destructions,
       (select count(*) from attempts_gone)::int as attempts,
       l.id as last_id, ${microseconds('l.requested_at')} as last_at
  from (select 1) as one
  left join lateral (select id, requested_at from page order by requested_at desc, id desc limit 1) l on true`;

/**
 * $1 cutoff (µs), $2 numbers of the app's lines, $3 sent after (µs), $4 rows. Attempts whose
 * destruction is not there, sent before the cutoff.
 */
const orphansSql = (deletes: boolean) => `
with page as materialized (
  select a.destruction_id, a.attempt, a.sent_at, a.line
    from room_reaper.attempts a
   where a.sent_at > ${instant('$3')} and a.sent_at < ${instant('$1')}
   order by a.sent_at
   fetch first ($4::int) rows with ties
),
orphans as materialized (
  select p.destruction_id from page p where ${isOrphan('p', '$2')}
),
gone as (
  ${deletes ? deleteOrphans(`sent_at < ${instant('$1')}`) : 'select from orphans'}
)
select (select count(*) from gone)::int as attempts,
       ${microseconds('max(sent_at)')} as last_at
  from page`;

/**
 * $1 cutoff (µs), $2 numbers of the app's lines, $3 rows (null: all).
 * Those that were never sent, by their slots: few, and together in the index on sent_at.
 */
const unsentOrphansSql = (deletes: boolean) => `
with orphans as materialized (
  select a.destruction_id
    from room_reaper.attempts a
   where a.sent_at is null and a.slot_at < ${instant('$1')} and ${isOrphan('a', '$2')}
   limit $3
),
gone as (
  ${deletes ? deleteOrphans(`sent_at is null and slot_at < ${instant('$1')}`) : 'select from orphans'}
)
select count(*)::int as attempts from gone`;

/** SQL: deletes the attempts of `orphans` for which the condition holds. */
function deleteOrphans(where: string): string {
  return `delete from room_reaper.attempts
   where destruction_id = any (array(select destruction_id from orphans)) and ${where} returning 1`;
}

/**
 * SQL: whether an attempt has no destruction; those that name no line are anybody's. (Looked
 * up one by one: as `not exists` it may become a join that reads all destructions.)
 */
function isOrphan(attempt: string, lines: string): string {
  return `(${attempt}.line is null or ${attempt}.line = any (${lines}::int[]))
     and (select d.id from room_reaper.destructions d where d.id = ${attempt}.destruction_id) is null`;
}

/**
 * $1 cutoff (µs), $2 SDKAppID, $3 force. Batches that finished before the cutoff, while their
 * destructions are still there, and whether they go: as a whole, or not at all.
 */
const oldBatchesSql = `
select b.id, not exists (
         select from room_reaper.destructions d
          where d.batch_id = b.id and not (${mayGo('d', instant('$1'), '$3::bool')})) as goes
  from room_reaper.batches b
 where b.sdk_app_id = $2 and b.finished_at < ${instant('$1')}`;

/** $1 batches that stay, $2 others. Which of the others stay because one of the first joined their rooms. */
const heldByJoinsSql = `
select distinct d.batch_id as id
  from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
 where j.batch_id = any ($1::text[]) and d.batch_id = any ($2::text[])`;

/** $1 batch id, $2 rows. */
const joinsSql = `
delete from room_reaper.batch_joins
 where batch_id = $1 and destruction_id in (
   select destruction_id from room_reaper.batch_joins where batch_id = $1 limit $2)
returning 1 as gone`;

/** $1 batch id. Stays where one of its destructions does. */
const batchSql = `
delete from room_reaper.batches b
 where b.id = $1 and not exists (select from room_reaper.destructions d where d.batch_id = b.id)
returning b.id`;

/** $1 cutoff (µs), $2 SDKAppID. Few: a batch has two events, a day 1,440 minutes. */
const eventsSql = `
with minutes_gone as (
  delete from room_reaper.minutes where sdk_app_id = $2 and minute < ${instant('$1')}
)
delete from room_reaper.events where sdk_app_id = $2 and created_at < ${instant('$1')}`;

/**
 * $1 cutoff (µs), $2 SDKAppID, $3 rows. Events of rooms that belong to no destruction that is there;
 * the others go with theirs.
 */
const roomEventsSql = `
with old as materialized (
  select e.room_id, e.ended_at from room_reaper.room_events e
   where e.sdk_app_id = $2 and e.received_at < ${instant('$1')} and e.ended_at < ${instant('$1')}
     and (select d.id from room_reaper.destructions d where d.id = e.destruction_id) is null
   order by e.received_at limit $3
)
delete from room_reaper.room_events e using old o
 where e.sdk_app_id = $2 and e.room_id = o.room_id and e.ended_at = o.ended_at
returning 1 as gone`;

/** $1 cutoff (µs), $2 SDKAppID, $3 rows. They are numbered in the order in which they were done. */
const actionsSql = `
with old as (
  select id, at from room_reaper.actions where sdk_app_id = $2 order by id limit $3
)
delete from room_reaper.actions a using old where a.id = old.id and old.at < ${instant('$1')}
returning a.id`;

/**
 * Deletes, or counts, what ended before a time. Actions, events, also those of rooms, and counted minutes
 * of then go with it, themselves uncounted.
 *
 * @throws the driver's error where the database cannot be used; what was deleted by then stays so.
 */
export async function prune(database: Database, options: PruneOptions): Promise<Pruned> {
  const pruned: Pruned = { destructions: 0, attempts: 0, batches: 0 };
  const old = await database.query<{ id: string; goes: boolean }>(
    'prune-old-batches',
    oldBatchesSql,
    [options.beforeUs, options.sdkAppId, options.force],
  );
  const held = old.filter(({ goes }) => !goes).map(({ id }) => id);
  let batches = old.filter(({ goes }) => goes);
  // A batch that stays keeps what it joined, and so the batches of that.
  let newest = held;
  do {
    const going = batches.map(({ id }) => id);
    const rows = await database.query<{ id: string }>('prune-held-by-joins', heldByJoinsSql, [
      newest,
      going,
    ]);
    newest = rows.map(({ id }) => id);
    held.push(...newest);
    batches = batches.filter(({ id }) => !newest.includes(id));
  } while (newest.length > 0);
  await pruneDestructions(database, options, held, pruned);
  await pruneOrphans(database, options, pruned);
  if (options.dryRun) pruned.batches = batches.length;
  else {
    await pruneBatches(database, options, pruned, batches);
    await database.query('prune-events', eventsSql, [options.beforeUs, options.sdkAppId]);
    await pruneUncounted(database, options, 'prune-room-events', roomEventsSql);
    await pruneUncounted(database, options, 'prune-actions', actionsSql);
  }
  return pruned;
}

function statementOf(
  name: string,
  sql: (deletes: boolean) => string,
  { dryRun }: PruneOptions,
): [name: string, sql: string] {
  return [`${dryRun ? 'count' : 'prune'}-${name}`, sql(!dryRun)];
}

async function pruneDestructions(
  database: Database,
  options: PruneOptions,
  held: readonly string[],
  pruned: Pruned,
): Promise<void> {
  let after = { us: 0, id: '' };
  while (!options.signal?.aborted) {
    const [row] = await database.query<{
      destructions: number;
      attempts: number;
      last_id: string | null;
      last_at: number | null;
    }>(...statementOf('destructions', destructionsSql, options), [
      options.beforeUs,
      options.sdkAppId,
      after.us,
      after.id,
      options.chunk ?? chunkSize,
      options.force,
      held,
    ]);
    if (row === undefined || row.last_id === null || row.last_at === null) return;
    pruned.destructions += row.destructions;
    pruned.attempts += row.attempts;
    options.onProgress?.(pruned);
    after = { us: row.last_at, id: row.last_id };
  }
}

async function pruneOrphans(
  database: Database,
  options: PruneOptions,
  pruned: Pruned,
): Promise<void> {
  const { beforeUs, dryRun, chunk = chunkSize } = options;
  const lines = (await readLineNumbers(database, options.sdkAppId)).map((line) => line.number);
  let afterUs = 0;
  while (!options.signal?.aborted) {
    const [row] = await database.query<{ attempts: number; last_at: number | null }>(
      ...statementOf('orphans', orphansSql, options),
      [beforeUs, lines, afterUs, chunk],
    );
    if (row === undefined || row.last_at === null) break;
    pruned.attempts += row.attempts;
    afterUs = row.last_at;
    options.onProgress?.(pruned);
  }
  let found = 0;
  do {
    if (options.signal?.aborted) return;
    const [row] = await database.query<{ attempts: number }>(
      ...statementOf('unsent-orphans', unsentOrphansSql, options),
      [beforeUs, lines, dryRun ? null : chunk],
    );
    found = row?.attempts ?? 0;
    pruned.attempts += found;
  } while (!dryRun && found > 0);
}

/** @param sql - $1 cutoff (µs), $2 SDKAppID, $3 rows; returns a row for each that it deletes. */
async function pruneUncounted(
  database: Database,
  options: PruneOptions,
  name: string,
  sql: string,
): Promise<void> {
  const { beforeUs, sdkAppId, signal, chunk = chunkSize } = options;
  let gone = chunk;
  while (gone === chunk && !signal?.aborted) {
    gone = (await database.query(name, sql, [beforeUs, sdkAppId, chunk])).length;
  }
}

async function pruneBatches(
  database: Database,
  options: PruneOptions,
  pruned: Pruned,
  batches: readonly { id: string }[],
): Promise<void> {
  const { chunk = chunkSize } = options;
  for (const { id } of batches) {
    let joins = chunk;
    while (joins === chunk) {
      if (options.signal?.aborted) return;
      joins = (await database.query('prune-joins', joinsSql, [id, chunk])).length;
    }
    pruned.batches += (await database.query('prune-batch', batchSql, [id])).length;
    options.onProgress?.(pruned);
  }
}
