/**
 * What a full ledger costs: each query in a ledger of a million destructions with as many
 * attempts, against the same query in an almost empty one (the one batch of 1,000 rooms that
 * both have), in turns. The queries are those of `status`, of a batch's report, of looking up
 * one room, and the two statements of the worker, for 20 rooms each. Then what `serve` takes to
 * count the minutes of the full one.
 */
import { randomUUID } from 'node:crypto';
import { readBatches } from '../src/ledger/batches.js';
import { openDatabase, type Database } from '../src/ledger/database.js';
import { ensureLine, lineId, readLines, type LineKey } from '../src/ledger/line.js';
import { fillMinutes } from '../src/ledger/minutes.js';
import { recordEnds } from '../src/ledger/record.js';
import { summarizeBatch } from '../src/ledger/report.js';
import { reserveSlots } from '../src/ledger/reserve.js';
import { median, percentile, type Bench, type Figure } from './bench.js';
import { createOwnDatabase } from './servers.js';
import { fillLedger } from './support/ledger-batches.js';

const sdkAppId = 1_400_000_001;
const line: LineKey = { host: '127.0.0.1:1', sdkAppId, command: 'destroy_room' };
const intervalMs = 5.1;
const windowSlots = 200;
const smallBatch = 1_000;
/** Rooms in one statement of the worker. */
const group = 20;
/** Requests of a minute at the quota. */
const perMinute = 60_000 / intervalMs;

/** $1 SDKAppID, $2 RoomId: all that is known of one room. */
const lookUpSql = `
select d.*, a.attempt, a.sent_at, a.ended_at, a.http_status, a.verdict, a.request_id as attempt_request_id
  from room_reaper.destructions d left join room_reaper.attempts a on a.destruction_id = d.id
 where d.sdk_app_id = $1 and d.room_id = $2
 order by d.requested_at, a.attempt`;

/** Each throws where its answer is wrong. */
const queries: Record<string, (database: Database) => Promise<unknown>> = {
  async status(database) {
    const [state] = await readLines(database, sdkAppId, intervalMs);
    const batches = await readBatches(database, sdkAppId, { limit: 10 });
    if (state === undefined || batches[0]?.destroyed !== batches[0]?.total)
      throw new Error('status must show the line, and the newest batch as done');
  },
  async 'report of a batch of 1,000'(database) {
    const summary = await summarizeBatch(database, 'small');
    if (summary.attempts !== smallBatch || summary.statistics.totalViewers !== BigInt(smallBatch))
      throw new Error(`the report must have ${smallBatch} attempts, got ${summary.attempts}`);
  },
  async 'look up one room'(database) {
    const room = `small-${1 + Math.floor(Math.random() * smallBatch)}`;
    const rows = await database.query('bench-look-up', lookUpSql, [sdkAppId, room]);
    if (rows.length !== 1) throw new Error(`one attempt must be found, got ${rows.length}`);
  },
};

/** The two statements of the worker, one after the other on new rooms. */
async function work(database: Database): Promise<{ reserveMs: number; recordMs: number }> {
  const now = Date.now();
  const wishes = Array.from({ length: group }, () => ({
    id: randomUUID(),
    roomId: `new-${randomUUID()}`,
    batchId: undefined,
    requestedAtMs: now,
    notAfterMs: now + 86_400_000,
  }));
  const beganAt = performance.now();
  const { reservations } = await reserveSlots(
    database,
    {
      lineId: lineId(line),
      sdkAppId,
      workerId: 'bench',
      intervalMs,
      windowSlots,
      leadMs: 30,
      answeredAtMs: undefined,
      moved: [],
      newestSlotMs: undefined,
    },
    wishes,
  );
  const reservedAt = performance.now();
  const outcomes = await recordEnds(
    database,
    sdkAppId,
    wishes.map(({ id: destructionId }) => ({
      destructionId,
      attempt: {
        attempt: 1,
        sentAtMs: now,
        endedAtMs: now + 50,
        httpStatus: 200,
        errorCode: 0,
        verdict: 'destroyed',
        reason: 'ok',
        mayHaveActed: false,
        requestId: 'Id-1',
      },
      end: {
        outcome: 'destroyed',
        errorCode: 0,
        errorInfo: undefined,
        requestId: 'Id-1',
        statistics: {
          totalViewers: 1n,
          totalGiftsSent: 2n,
          totalGiftCoins: 3n,
          totalUniqueGiftSenders: 4n,
          totalLikesReceived: 5n,
        },
      },
    })),
  );
  const recordedAt = performance.now();
  if (!reservations.every((reservation) => reservation?.kind === 'granted'))
    throw new Error('every reservation must be granted');
  if (!outcomes.every((outcome) => outcome === 'destroyed'))
    throw new Error('every outcome must be recorded');
  return { reserveMs: reservedAt - beganAt, recordMs: recordedAt - reservedAt };
}

/** Counts all minutes of a ledger. @returns milliseconds for a minute at the quota. */
async function countMinutes(database: Database, requests: number): Promise<number> {
  const beganAt = performance.now();
  await fillMinutes(database, sdkAppId);
  const tookMs = performance.now() - beganAt;
  const sql = 'select sum(requests)::int as counted from room_reaper.minutes';
  const [row] = await database.query<{ counted: number }>('bench-minutes', sql, []);
  const { counted = 0 } = row ?? {};
  // Those of the last minute and a half are not counted yet.
  if (counted < requests / 2)
    throw new Error(`most of ${requests} must be counted, got ${counted}`);
  return (tookMs / counted) * perMinute;
}

type Times = Map<string, { empty: number[]; full: number[] }>;

async function measure(
  ledgers: { empty: Database; full: Database },
  rounds: number,
): Promise<Times> {
  const times: Times = new Map();
  const note = (name: string, ledger: 'empty' | 'full', ms: number) => {
    const both = times.get(name) ?? { empty: [], full: [] };
    both[ledger].push(ms);
    times.set(name, both);
  };
  for (let round = 0; round < rounds; round++) {
    for (const ledger of ['empty', 'full'] as const) {
      for (const [name, query] of Object.entries(queries)) {
        const beganAt = performance.now();
        await query(ledgers[ledger]);
        note(name, ledger, performance.now() - beganAt);
      }
      const { reserveMs, recordMs } = await work(ledgers[ledger]);
      note(`reserve ${group} slots`, ledger, reserveMs);
      note(`record ${group} outcomes`, ledger, recordMs);
    }
  }
  return times;
}

export default {
  title: 'ledger queries at a million rows, against an almost empty ledger',
  async run({ short, servers, say }) {
    const rows = short ? 50_000 : 1_000_000;
    const batches = 10;
    /** One batch after the other, as the quota has it. */
    const secondsEach = Math.ceil(((rows / batches) * intervalMs) / 1_000) + 10;
    const opened: Database[] = [];
    const made = [await createOwnDatabase(servers), await createOwnDatabase(servers)];
    try {
      for (const { url } of made) {
        const database = await openDatabase({
          connection: { connectionString: url, query_timeout: 600_000 },
          shownAs: 'the benchmark ledger',
        });
        opened.push(database);
        await ensureLine(database, line, intervalMs, windowSlots);
        await fillLedger(database, {
          sdkAppId,
          batchId: 'small',
          rooms: smallBatch,
          secondsAgo: secondsEach,
        });
      }
      const [empty, full] = opened;
      if (empty === undefined || full === undefined) throw new Error('two ledgers must be open');
      for (let batch = 1; batch <= batches; batch++) {
        await fillLedger(full, {
          ...{ sdkAppId, batchId: `large-${batch}`, rooms: rows / batches },
          secondsAgo: (batch + 1) * secondsEach,
        });
        say(`${(rows / batches) * batch} rows`);
      }
      for (const database of opened) {
        await database.query('bench-analyze-1', 'analyze room_reaper.destructions', []);
        await database.query('bench-analyze-2', 'analyze room_reaper.attempts', []);
      }
      const ledgers = { empty, full };
      await measure(ledgers, 20);
      const times = await measure(ledgers, short ? 30 : 200);

      const beganAt = performance.now();
      const large = await summarizeBatch(full, 'large-1');
      const reportMs = performance.now() - beganAt;
      if (large.attempts !== rows / batches)
        throw new Error('the report of a large batch is wrong');

      const minuteMs = await countMinutes(full, rows);
      const medianOf = (name: string) => median(times.get(name)?.full ?? []);
      const statementMs = medianOf(`reserve ${group} slots`) + medianOf(`record ${group} outcomes`);

      const figures: Figure[] = [...times].flatMap(([name, { empty: small, full: big }]) => [
        { name: `${name}: median, ms`, value: median(big) },
        { name: `${name}: p99, ms`, value: percentile(big, 0.99) },
        { name: `${name}: median, × almost empty ledger`, value: median(big) / median(small) },
      ]);
      return [
        { name: 'destructions in the full ledger', value: rows + smallBatch },
        ...figures,
        { name: `report of a batch of ${rows / batches}, ms`, value: reportMs },
        { name: 'history: ms for a minute at the quota', value: minuteMs },
        { name: 'history: share of that minute', value: minuteMs / 60_000, goal: { atMost: 0.01 } },
        {
          name: "history: × the worker's two statements for its rooms",
          value: minuteMs / ((perMinute / group) * statementMs),
        },
      ];
    } finally {
      await Promise.all(opened.map((database) => database.close()));
      await Promise.all(made.map((database) => database.drop()));
    }
  },
} satisfies Bench;
