/** Another program calls the same command for the same app: the API's quota is shared. */
import { expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from '../e2e/stage.js';

interface Line {
  state: string;
  ratePerSecond: number;
  quotaFound?: { ratePerSecond: number };
}

const linesOf = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { lines: Line[] }).lines;

test('over quota, all workers slow down, spend nothing, find the quota that is left, and climb back', async () => {
  // What others leave of the quota, in requests a second.
  const left = 60;
  const { server, env } = await openStage({ latencyMs: 30, quotaPerSecond: left });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, LATER_RETRIES: '0' } };
  const rooms = roomIds(1_000);
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(rooms) });
  const workers = [start(['worker'], options), start(['worker'], options)];
  await server.reached(600);
  const braked = await run(['status', '--json'], options);
  // The other program has left.
  await server.setQuota(200);
  await expect
    .poll(
      async () =>
        [...(await readDestructions(stores.DATABASE_URL)).values()].filter(
          ({ outcome }) => outcome === 'destroyed',
        ).length,
      { timeout: 90_000, interval: 500 },
    )
    .toBe(rooms.length);
  const [line] = linesOf(braked);
  expect(line).toMatchObject({ state: 'braked' });
  const found = line?.quotaFound?.ratePerSecond ?? NaN;
  expect(found).toBeGreaterThan(left * 0.5);
  expect(found).toBeLessThan(left * 2);
  await expect
    .poll(async () => linesOf(await run(['status', '--json'], options))[0]?.ratePerSecond, {
      timeout: 60_000,
    })
    .toBeGreaterThan(found);
  for (const worker of workers) worker.kill('SIGTERM');
  for (const worker of workers) expect((await worker.ended).code).toBe(0);

  const { requests } = await server.report();
  // The answers stop: few of all requests were over the quota.
  const over = requests.filter(({ errorCode }) => errorCode === 60007).length;
  expect(over).toBeGreaterThan(0);
  expect(over / requests.length).toBeLessThan(0.25);
});
