import { expect, test } from 'vitest';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';
import { run, start, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

/** So low that the workers fill it however busy the machine is: only then is it at stake. */
const quota = 100;

test('three worker processes keep the quota at the door, first requests and retries together', async () => {
  const rooms = roomIds(300);
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
  const requestsWanted = 300 + 30 + 6;
  const stores = await redisAndPostgres();
  const options = {
    env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: String(quota), LOG_LEVEL: 'warn' },
  };
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
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(300);
  const slots = await sentSlots(stores.DATABASE_URL);
  expect(slots).toHaveLength(requestsWanted);
  assertQuotaKept(report, quota, slots);
});

test('a ledger that lost the last moments costs a window and no request above the quota', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = {
    env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: String(quota), LOG_LEVEL: 'warn' },
  };
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(roomIds(400)) });
  const workers = [1, 2].map(() => startInside(['worker'], options));
  const ledger = (sql: string, values: unknown[] = []) =>
    withPostgres(
      stores.DATABASE_URL,
      async (client) => (await client.query<{ recent: number[]; ms: number }>(sql, values)).rows,
    );
  await server.reached(150);

  const [before] = await ledger('select recent from room_reaper.lines');
  await server.reached(260);
  await ledger('update room_reaper.lines set recent = $1', [before?.recent]);

  await server.reached(400);
  for (const worker of workers) worker.kill('SIGTERM');
  for (const worker of workers) expect((await worker.ended).code).toBe(0);
  assertQuotaKept(await server.report(), quota, await sentSlots(stores.DATABASE_URL));
  // Whoever notices waits for a window from the newest slot that it knows; another may know newer ones.
  const gaps = await ledger(
    `select extract(epoch from max(gap))::float8 * 1000 as ms
       from (select slot_at - lag(slot_at) over (partition by worker_id order by slot_at) as gap
               from room_reaper.attempts where sent_at is not null) as gaps`,
  );
  expect(gaps[0]?.ms).toBeGreaterThanOrEqual(1_000);
});
