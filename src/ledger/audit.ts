/**
 * The audit: from the recorded attempts, whether the quota was kept.
 *
 * It knows when requests were *sent*, as their workers recorded it, on the database's clock.
 * When they arrived nobody here knows; that differs by the way to the API, which varies by no
 * more than ARRIVAL_JITTER_MS where the configuration is right.
 */
import type { Database } from './database.js';
import { tallyBatch } from './report.js';
import {
  instant,
  isLost,
  isOfApp,
  microseconds,
  overviewOfSent,
  readLineNumbers,
  readNowUs,
  type SentScope,
  type SentToHost,
} from './sent.js';
import { addOne } from './tally.js';

/** `fromUs` and `toUs`: the time that it is about. */
export interface Audit extends Omit<SentScope, 'sdkAppId'> {
  /** All requests of the app in that time, by endpoint host: each has its own quota. */
  hosts: SentToHost[];
  /** How many rooms were sent so many requests beyond their first. */
  roomsByRetries: ReadonlyMap<number, number>;
  /** Slots whose attempt ended without anything written to a connection. */
  notSent: number;
  /** Slots of more than a minute ago whose attempt has no end: it may have been sent. */
  neverEnded: number;
}

/** @param toUs - default: now. */
export async function auditSince(
  database: Database,
  sdkAppId: number,
  fromUs: number,
  toUs?: number,
): Promise<Audit> {
  const scope = { sdkAppId, fromUs, toUs: toUs ?? (await readNowUs(database)) };
  return {
    fromUs,
    toUs: scope.toUs,
    hosts: await overviewOfSent(database, scope),
    roomsByRetries: await countRetries(database, scope),
    ...(await countUnsent(database, scope)),
  };
}

/** What was sent from the first request of a batch to its last; rooms and slots are the batch's own. */
export async function auditBatch(
  database: Database,
  sdkAppId: number,
  batchId: string,
): Promise<Audit> {
  const tally = await tallyBatch(database, batchId);
  const { firstSentUs, lastSentUs } = tally;
  const sent = firstSentUs !== undefined && lastSentUs !== undefined;
  return {
    fromUs: firstSentUs ?? 0,
    toUs: lastSentUs ?? 0,
    hosts: sent
      ? await overviewOfSent(database, { sdkAppId, fromUs: firstSentUs, toUs: lastSentUs })
      : [],
    roomsByRetries: tally.roomsByRetries,
    notSent: tally.attemptsNotSent,
    neverEnded: tally.attemptsLost,
  };
}

/** Attempts read by one statement. */
const pageSize = 2_000;

/**
 * $1 sent after, $2 up to (µs); $3 numbers of the app's lines, $4 SDKAppID, $5 rows, $6 the
 * beginning of the whole time (µs).
 *
 * Each attempt looks up those of its own room: the last one sent in the time speaks for it.
 */
const retriesSql = `
select ${microseconds('a.sent_at')} as at, case when a.attempt = r.last then r.sent end as sent
  from room_reaper.attempts a
  cross join lateral (
    select count(*)::int as sent, max(b.attempt) as last
      from room_reaper.attempts b
     where b.destruction_id = a.destruction_id and b.sent_at >= ${instant('$6')} and b.sent_at <= ${instant('$2')}
  ) r
 where a.sent_at > ${instant('$1')} and a.sent_at <= ${instant('$2')} and ${isOfApp('a', '$3', '$4')}
 order by a.sent_at
 fetch first ($5::int) rows with ties`;

async function countRetries(database: Database, scope: SentScope): Promise<Map<number, number>> {
  const lines = await readLineNumbers(database, scope.sdkAppId);
  const counts = new Map<number, number>();
  let afterUs = scope.fromUs - 1;
  for (;;) {
    const page = await database.query<{ at: number; sent: number | null }>(
      'audit-retries',
      retriesSql,
      [
        afterUs,
        scope.toUs,
        lines.map((line) => line.number),
        scope.sdkAppId,
        pageSize,
        scope.fromUs,
      ],
    );
    for (const { sent } of page) if (sent !== null) addOne(counts, sent - 1);
    if (page.length < pageSize) return counts;
    afterUs = page.at(-1)?.at ?? afterUs;
  }
}

/**
 * $1, $2 slot from, to (µs); $3 numbers of the app's lines, $4 SDKAppID. What was never sent
 * lies together in the index on sent_at, under null.
 */
const unsentSql = `
select (count(*) filter (where a.ended_at is not null))::int as not_sent,
       (count(*) filter (where ${isLost('a')}))::int as never_ended
  from room_reaper.attempts a
 where a.sent_at is null and a.slot_at between ${instant('$1')} and ${instant('$2')} and ${isOfApp('a', '$3', '$4')}`;

async function countUnsent(
  database: Database,
  scope: SentScope,
): Promise<Pick<Audit, 'notSent' | 'neverEnded'>> {
  const lines = await readLineNumbers(database, scope.sdkAppId);
  const [row] = await database.query<{ not_sent: number; never_ended: number }>(
    'audit-unsent',
    unsentSql,
    [scope.fromUs, scope.toUs, lines.map((line) => line.number), scope.sdkAppId],
  );
  return { notSent: row?.not_sent ?? 0, neverEnded: row?.never_ended ?? 0 };
}
