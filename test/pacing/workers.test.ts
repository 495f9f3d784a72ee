import { expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from '../e2e/stage.js';
import { say } from '../support/say.js';
import { assertQuotaUsed } from './quota-used.js';
import { assertQuotaKept } from './undisturbed.js';

const quota = 200;

test('three worker processes keep the quota at the door, and use at least 97 % of it', async () => {
  const rooms = roomIds(2_400);
  const { server, env } = await openStage({
    // Every tenth room fails once, every fiftieth twice: retries take slots like anything else.
    scripts: Object.fromEntries(
      rooms
        .filter((_, index) => index % 10 === 0)
        .map((room, index) => [
          room,
          Array.from({ length: index % 5 === 0 ? 2 : 1 }, () => ({
            kind: 'code' as const,
            code: 100001,
          })),
        ]),
    ),
    latencyMs: 50,
  });
  const requestsWanted = 2_400 + 240 + 48;
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, LOG_LEVEL: 'warn' } };
  expect((await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) })).code).toBe(0);

  const workers = [1, 2, 3].map(() => start(['worker'], options));
  await server.reached(requestsWanted);
  for (const worker of workers) worker.kill('SIGTERM');
  const ended = await Promise.all(workers.map((worker) => worker.ended));

  expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
  const report = await server.report();
  expect(report.requests).toHaveLength(requestsWanted);
  expect(report.problems).toEqual([]);
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(2_400);

  const arrivals = report.requests.map(({ atMs }) => atMs);
  assertQuotaKept(report, quota);

  // The saturated part: all rooms were on the queue before the first worker started, so there
  // is work from the first arrival until the last room has been asked for once. (After that
  // only retries are left, which wait for their jitter and not for slots.)
  const firstRequests = new Set<string>();
  let last = 0;
  for (const [index, { roomId = '' }] of report.requests.entries()) {
    if (firstRequests.has(roomId)) continue;
    firstRequests.add(roomId);
    last = index;
  }
  const perSecond = (last * 1_000) / ((arrivals[last] ?? NaN) - (arrivals[0] ?? NaN));
  say(
    `three workers: ${perSecond.toFixed(1)} requests/s over ${last} (${((perSecond / quota) * 100).toFixed(1)} % of the quota), worst window ${report.worstWindow}`,
  );
  expect(last).toBeGreaterThan(2_390);
  assertQuotaUsed(perSecond, quota);
});
