/** Who goes first on a saturated line, told by the order of the arrivals at the API's door. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import { roomsPerTurn } from '../../src/queue/turns.js';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { say } from '../support/say.js';
import { epochNow } from '../support/stalls.js';
import { folderWith, run, start } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

/** Half of the usual: what waits takes as long with half of the rooms. */
const quota = 100;
const bulkRooms = 1_200;
const urgentRooms = 40;

/** Jobs that the worker may have in hand, as many as keep the line full: those go before what comes. */
const inHand = 50;

/**
 * What goes before one that is held up: a slot that a busy machine could not use is given up, and
 * others pass meanwhile. A thousand wait.
 */
const atWorst = 5 * inHand;

test('urgent rooms, retries and a small batch do not wait for the bulk: only what is in hand goes before them', async () => {
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
    env: {
      ...{ ...env, ...stores, LOG_LEVEL: 'warn' },
      ...{ RATE_LIMIT_PER_SECOND: String(quota), WORKER_CONCURRENCY: String(inHand) },
    },
    cwd: folderWith({ 'bulk.txt': lines(bulk), 'small.txt': lines(small) }),
  };
  expect((await run(['enqueue', 'bulk.txt', '--yes'], options)).code).toBe(0);

  const worker = start(['worker'], options);
  await server.reached(200);
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  const smallAdded = run(['enqueue', 'small.txt'], options).then(epochNow);
  const addedAt = new Map<string, number>();
  for (let sent = 0; sent < urgentRooms; sent++) {
    await producer.destroy(`urgent-${sent}`, { urgent: true });
    addedAt.set(`urgent-${sent}`, epochNow());
    // At any point of the line's own rhythm: this is the load, nothing is waited for.
    await sleep(50 + Math.random() * 100);
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
  const arrivals = report.requests.map(({ roomId = '', atMs }) => ({
    roomId,
    atMs: report.startedAtMs + atMs,
  }));
  const arrivalsOf = (room: string) => arrivals.filter(({ roomId }) => roomId === room);
  const between = (fromMs: number, untilMs: number) =>
    arrivals.filter(({ atMs }) => atMs > fromMs && atMs < untilMs);

  const beforeUrgent = [...addedAt]
    .map(([room, addedAtMs]) => between(addedAtMs, arrivalsOf(room)[0]?.atMs ?? Infinity).length)
    .sort((a, b) => a - b);
  const median = beforeUrgent[urgentRooms / 2];

  // Two turns of the bulk; not the thousand that waited.
  const smallEndsAt = Math.max(...small.map((room) => arrivalsOf(room)[0]?.atMs ?? Infinity));
  const bulkMeanwhile = between(smallAddedAt, smallEndsAt).filter(({ roomId }) =>
    roomId.startsWith('bulk-'),
  ).length;

  // Of a failing room the fourth request is due when its delay of at most 5 s is over.
  const beforeRetry = failing.map((room) => {
    const requests = arrivalsOf(room);
    expect(requests).toHaveLength(4);
    const [, , third, fourth] = requests.map(({ atMs }) => atMs);
    return between((third ?? NaN) + 5_000, fourth ?? Infinity).length;
  });

  say(
    `before an urgent room ${median} requests, at most ${beforeUrgent.at(-1)}; before a retry that was due ` +
      `${Math.max(...beforeRetry)}; ${bulkMeanwhile} of the bulk before the end of a batch of 100`,
  );
  expect(median).toBeLessThanOrEqual(inHand);
  expect(beforeUrgent.at(-1)).toBeLessThanOrEqual(atWorst);
  expect(Math.max(...beforeRetry)).toBeLessThanOrEqual(atWorst);
  expect(bulkMeanwhile).toBeLessThanOrEqual(2 * roomsPerTurn + atWorst);
  assertQuotaKept(report, quota, await sentSlots(stores.DATABASE_URL));
  // On a machine with other work the 1,300 rooms take a multiple of their 14 seconds.
}, 400_000);
