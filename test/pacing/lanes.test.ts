/** Who goes first on a saturated line, measured at the API's door. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import { folderWith, run, start } from '../e2e/room-reaper.js';
import {
  lines,
  openStage,
  readAttempts,
  readDestructions,
  redisAndPostgres,
  roomIds,
} from '../e2e/stage.js';
import { arrivalsOnTheWallClock } from '../support/arrivals.js';
import { say } from '../support/say.js';
import { watchStalls } from '../support/stalls.js';
import { assertQuotaUsed } from './quota-used.js';
import { assertQuotaKept, undisturbed } from './undisturbed.js';

const quota = 200;
const bulkRooms = 5_000;
const urgentRooms = 60;

test('urgent rooms start within a second, retries and a small batch do not wait for the bulk, and the bulk gets the rest', async () => {
  const bulk = roomIds(bulkRooms, 'bulk');
  // Three failures are a run of its job: then it is delayed, and comes back in the retry lane.
  const failing = bulk.slice(100, 110);
  const failure = { kind: 'code' as const, code: 100001 };
  const { server, env, sdkAppId } = await openStage({
    scripts: Object.fromEntries(failing.map((room) => [room, [failure, failure, failure]])),
    latencyMs: 50,
  });
  const stores = await redisAndPostgres();
  const small = roomIds(100, 'small');
  const options = {
    env: { ...env, ...stores, LOG_LEVEL: 'warn' },
    cwd: folderWith({ 'bulk.txt': lines(bulk), 'small.txt': lines(small) }),
  };
  expect((await run(['enqueue', 'bulk.txt', '--yes'], options)).code).toBe(0);

  const stalls = watchStalls();
  const worker = start(['worker'], options);
  await server.reached(400);
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  const smallAdded = run(['enqueue', 'small.txt'], options).then(() => Date.now());
  for (let sent = 0; sent < urgentRooms; sent++) {
    await producer.destroy(`urgent-${sent}`, { urgent: true });
    // At any point of the line's own rhythm: this is the load, nothing is waited for.
    await sleep(50 + Math.random() * 200);
  }
  await producer.close();
  const smallAddedAt = await smallAdded;
  await server.reached(bulkRooms + small.length + urgentRooms + 3 * failing.length);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);

  const report = await server.report();
  const rows = await readDestructions(stores.DATABASE_URL);
  expect([...rows.values()].filter(({ outcome }) => outcome !== 'destroyed')).toEqual([]);
  expect(rows.size).toBe(bulkRooms + small.length + urgentRooms);
  const sentAt = new Map(
    [...(await readAttempts(stores.DATABASE_URL))].flatMap(([room, [attempt]]) =>
      attempt?.sent_at ? [[room, attempt.sent_at.getTime()] as const] : [],
    ),
  );
  const arrivals = arrivalsOnTheWallClock(report, sentAt);

  const delays = [...rows.values()]
    .filter(({ room_id }) => room_id.startsWith('urgent-'))
    .map(({ room_id, requested_at }) => (arrivals.get(room_id) ?? NaN) - requested_at.getTime())
    .sort((a, b) => a - b);
  expect(delays).toHaveLength(urgentRooms);
  const [median = NaN, worst = NaN] = [delays[urgentRooms / 2], delays.at(-1)];

  // How much of the bulk went between the small batch and its last room: two turns, and
  // what the worker had in hand; not the four thousand that waited.
  const smallEndsAt = Math.max(...small.map((room) => arrivals.get(room) ?? NaN));
  const bulkMeanwhile = bulk
    .map((room) => arrivals.get(room) ?? NaN)
    .filter((at) => at > smallAddedAt && at < smallEndsAt).length;

  // Of a failing room the fourth request comes when its delay of at most 5 s is over.
  const order = report.requests.map(({ roomId }) => roomId);
  const lateBy = failing.map((room) => {
    const times = report.requests.filter(({ roomId }) => roomId === room).map(({ atMs }) => atMs);
    expect(times).toHaveLength(4);
    return (times[3] ?? NaN) - (times[2] ?? NaN) - 5_000;
  });

  const bulkEndsAt = order.findLastIndex(
    (room) => room?.startsWith('bulk-') && !failing.includes(room),
  );
  const [first, last] = [report.requests[0]?.atMs ?? NaN, report.requests[bulkEndsAt]?.atMs ?? NaN];
  const perSecond = (bulkEndsAt * 1_000) / (last - first);
  say(
    `urgent after ${median.toFixed(0)} ms, at worst ${worst.toFixed(0)}; ${bulkMeanwhile} of the bulk before the end of a batch of 100; ` +
      `retries at worst ${Math.max(...lateBy).toFixed(0)} ms after their delay; ${perSecond.toFixed(1)} requests/s`,
  );
  expect(bulkMeanwhile).toBeLessThanOrEqual(2 * 250 + 200);
  undisturbed(stalls, 250, () => {
    expect(worst).toBeLessThanOrEqual(1_000);
    expect(Math.max(...lateBy)).toBeLessThanOrEqual(1_000);
  });
  assertQuotaKept(report, quota);
  assertQuotaUsed(perSecond, quota);
});
