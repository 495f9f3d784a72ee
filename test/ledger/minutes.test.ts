/** Minutes are counted once, after they have ended, from the recorded requests. */
import { expect, test } from 'vitest';
import { ensureLine, lineId, resumeLine, stopLine } from '../../src/ledger/line.js';
import { countedUntil, fillMinutes, readHalts, readMinutes } from '../../src/ledger/minutes.js';
import { prune } from '../../src/ledger/prune.js';
import { makeLine, useLedger, type Line } from './fixture.js';

const ledger = useLedger();
const minute = 60_000;

/** So many requests from an instant on, so far apart, each of a room of its own. */
async function sent(
  line: Line,
  options: {
    fromMs: number;
    count: number;
    apartMs: number;
    verdict?: string;
    outcome?: string;
    code?: number;
  },
): Promise<void> {
  const { fromMs, count, apartMs, verdict = 'destroyed', outcome = null, code = null } = options;
  await ledger.sql(
    `with made as (
       insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after, outcome, attempts, finished_at)
       select gen_random_uuid()::text, $1, 'room-' || n, now(), now(), $6, 1, case when $6::text is not null then now() end
         from generate_series(0, $4 - 1) n returning id
     ), numbered as (select id, row_number() over () - 1 as n from made)
     insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at, verdict, error_code, line)
     select id, 1, 'w', t.at, t.at, t.at, $5, $8, (select number from room_reaper.lines where id = $7)
       from numbered, lateral (select to_timestamp(($2::float8 + n * $3::float8) / 1000) as at) t`,
    [line.sdkAppId, fromMs, apartMs, count, verdict, outcome, line.id, code],
  );
}

const read = (line: Line, fromMs: number, toMs: number) =>
  readMinutes(ledger.database, { sdkAppId: line.sdkAppId, fromMs, toMs });

test('requests, the fullest second, verdicts, outcomes and codes are counted, each in its minute', async () => {
  const line = await makeLine(ledger);
  const other = await makeLine(ledger);
  const first = Math.floor(Date.now() / minute) * minute - 10 * minute;
  // The second that holds all of these begins in one minute and ends in the next.
  await sent(line, { fromMs: first + 59_500, count: 200, apartMs: 5, outcome: 'already_gone' });
  await sent(line, { fromMs: first + 5_000, count: 3, apartMs: 1_000, verdict: 'transient' });
  await sent(line, {
    ...{ fromMs: first + 20_000, count: 2, apartMs: 1_000, verdict: 'transient', code: 100001 },
  });
  await sent(line, {
    ...{ fromMs: first + 3 * minute, count: 1, apartMs: 1 },
    ...{ verdict: 'rejected', outcome: 'rejected', code: 100002 },
  });
  await sent(other, { fromMs: first + 30_000, count: 5, apartMs: 1 });

  await fillMinutes(ledger.database, line.sdkAppId);
  const counted = await read(line, first, first + 4 * minute);
  expect(counted.filter(({ requests }) => requests > 0)).toEqual([
    {
      ...{ atMs: first, requests: 105, worstWindow: 100 },
      ...{ verdicts: { destroyed: 100, transient: 5 }, outcomes: { already_gone: 100 } },
      codes: { none: 3, 100001: 2 },
    },
    {
      ...{ atMs: first + minute, requests: 100, worstWindow: 200 },
      ...{ verdicts: { destroyed: 100 }, outcomes: { already_gone: 100 }, codes: {} },
    },
    {
      ...{ atMs: first + 3 * minute, requests: 1, worstWindow: 1 },
      ...{ verdicts: { rejected: 1 }, outcomes: { rejected: 1 }, codes: { 100002: 1 } },
    },
  ]);
  expect(await read(line, first + minute, first + 2 * minute)).toHaveLength(1);
});

test('a minute is not counted before its requests can have been answered, nor twice', async () => {
  const line = await makeLine(ledger);
  const now = Date.now();
  await sent(line, { fromMs: now - 5_000, count: 10, apartMs: 1 });
  await sent(line, { fromMs: now - 20 * minute, count: 7, apartMs: 1 });
  await Promise.all([
    fillMinutes(ledger.database, line.sdkAppId),
    fillMinutes(await ledger.another(), line.sdkAppId),
  ]);
  const until = (await countedUntil(ledger.database, line.sdkAppId)) ?? 0;
  expect(until % minute).toBe(0);
  expect(until).toBeLessThanOrEqual(Date.now() - 30_000);
  const total = async () =>
    (await read(line, now - 60 * minute, now + minute)).reduce(
      (sum, each) => sum + each.requests,
      0,
    );
  expect(await total()).toBe(7);
  // What is recorded for a counted minute later than that changes nothing.
  await sent(line, { fromMs: now - 20 * minute, count: 1, apartMs: 1 });
  await fillMinutes(ledger.database, line.sdkAppId);
  expect(await total()).toBe(7);
});

test('after a long time without anybody to count, those of the last day are counted', async () => {
  const line = await makeLine(ledger);
  const now = Date.now();
  await sent(line, { fromMs: now - 3 * 24 * 60 * minute, count: 4, apartMs: 1 });
  await sent(line, { fromMs: now - 23 * 60 * minute, count: 5, apartMs: 1 });
  await fillMinutes(ledger.database, line.sdkAppId);
  const all = await read(line, 0, now);
  expect(all.filter(({ requests }) => requests > 0)).toMatchObject([{ requests: 5 }]);
  await prune(ledger.database, {
    ...{
      sdkAppId: line.sdkAppId,
      beforeUs: (now - 60 * minute) * 1_000,
      force: true,
      dryRun: false,
    },
  });
  const left = await read(line, 0, now);
  expect(left.length).toBeGreaterThan(0);
  expect(left.every(({ atMs }) => atMs >= now - 60 * minute)).toBe(true);
});

test('when nothing was sent is told: stops, outages and pauses, also what began before or lasts', async () => {
  const line = await makeLine(ledger);
  const other = await makeLine(ledger);
  const atMs = Math.floor(Date.now() / minute) * minute - 60 * minute;
  const at = (minutes: number) => new Date(atMs + minutes * minute).toISOString();
  const ended = (type: string, from: number, to: number, app = line.sdkAppId) =>
    ledger.sql(
      `insert into room_reaper.events (sdk_app_id, type, created_at, data)
       values ($1, $2, $3, jsonb_build_object('since', $4::text, 'reason', $2::text))`,
      [app, type, at(to), at(from)],
    );
  await ended('line.resumed', -5, 2);
  await ended('line.outage_ended', 4, 6);
  await ended('line.resumed', -9, -8);
  await ended('line.resumed', 1, 2, other.sdkAppId);
  const did = (what: string, minutes: number, outcome: string | null = 'done') =>
    ledger.sql(
      `insert into room_reaper.actions (sdk_app_id, at, who, way, what, reason, outcome)
       values ($1, $2, 'ana', 'cli', $3, 'lunch', $4)`,
      [line.sdkAppId, at(minutes), what, outcome],
    );
  await did('queue.pause', 7);
  await did('queue.resume', 8);
  await did('queue.resume', 9);
  await did('queue.pause', 9.5, 'UNAVAILABLE');
  await did('room.destroy', 10);
  await did('queue.pause', 10);
  await ledger.sql(
    `update room_reaper.lines set stopped_at = $2, outage = false, stop_code = 70003, stop_reason = 'the key'
      where id = $1`,
    [line.id, at(20)],
  );
  // A command that only reads holds up the rooms that need it, and not the line.
  const stats = { ...line.key, command: 'v4/live_engine_http_srv/get_room_stats' };
  await ensureLine(ledger.database, stats, 10, 100);
  for (const end of [() => resumeLine(ledger.database, lineId(stats)), () => Promise.resolve()]) {
    await stopLine(ledger.database, lineId(stats), { code: 60009, reason: 'x', remedy: undefined });
    await end();
  }
  const read = (from: number, to: number, { sdkAppId } = line) =>
    readHalts(ledger.database, {
      ...{ sdkAppId, host: 'localhost', fromMs: atMs + from * minute, toMs: atMs + to * minute },
    });
  const told = ([state, from, to, reason]: [string, number, number | undefined, string]) => ({
    ...{ state, fromMs: atMs + from * minute, reason },
    toMs: to === undefined ? undefined : atMs + to * minute,
  });
  const all = [
    told(['stopped', -5, 2, 'line.resumed']),
    told(['outage', 4, 6, 'line.outage_ended']),
    told(['paused', 7, 8, 'lunch']),
    told(['paused', 10, undefined, 'lunch']),
    told(['stopped', 20, undefined, 'the key']),
  ];
  expect(await read(0, 60)).toEqual(all);
  expect(await read(3, 7)).toEqual(all.slice(1, 2));
  expect(await read(30, 60)).toEqual(all.slice(3));
  expect(await read(0, 60, other)).toHaveLength(1);
});
