import { expect, test } from 'vitest';
import { folderWith, run, startInside } from './room-reaper.js';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';
import { lines, openStage, readDestructions, redisAndPostgres, roomIds } from './stage.js';

test('a wrong key costs a handful of requests and no room: exit code 3, and with the right key the same command goes on', async () => {
  const { server, env } = await openStage({ latencyMs: 100 });
  const stores = await redisAndPostgres();
  const cwd = folderWith({ 'rooms.txt': lines(roomIds(200)) });
  const options = { cwd, env: { ...env, ...stores } };
  const wrongKey = 'wrong-key-'.repeat(6);

  const stopped = await run(['destroy', 'rooms.txt', '--json'], {
    cwd,
    env: { ...options.env, TENCENT_SECRET_KEY: wrongKey },
  });

  expect(stopped.code, stopped.stderr).toBe(3);
  expect(stopped.stderr).toMatch(
    /the line is stopped: UserSig was made with the wrong key \(70009\)/,
  );
  expect(stopped.stderr).toMatch(/What to do: check .*TENCENT_SECRET_KEY/);
  expect(stopped.stderr).toMatch(/\b200 rooms\b/);
  expect(stopped.stderr).not.toContain(wrongKey);
  const before = await server.report();
  expect(before.requests.length).toBeLessThanOrEqual(120);
  expect(before.requests.every(({ errorCode }) => errorCode === 70009)).toBe(true);
  const status = await run(['status', '--json'], options);
  expect(JSON.parse(status.stdout)).toMatchObject({
    line: 'stopped',
    lines: [
      {
        host: new URL(server.url).host,
        state: 'stopped',
        stopped: {
          code: 70009,
          reason: 'UserSig was made with the wrong key',
          remedy: expect.stringContaining('TENCENT_SECRET_KEY') as string,
        },
      },
    ],
    queue: { waiting: 200, active: 0, delayed: 0, failed: 0 },
    batches: [{ total: 200, finished: 0 }],
  });
  const unended = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(unended.filter(({ outcome }) => outcome !== null)).toEqual([]);

  const mended = await run(['destroy', 'rooms.txt', '--json'], options);

  expect(mended.code, mended.stderr).toBe(0);
  expect(JSON.parse(mended.stdout)).toMatchObject({ outcomes: { destroyed: 200 } });
  const after = await server.report();
  expect(Object.values(after.rooms).filter(({ requests }) => requests !== 1)).toEqual([]);
  expect(Object.keys(after.rooms)).toHaveLength(200);
  assertQuotaKept(after, 200, await sentSlots(stores.DATABASE_URL));
});

test('the few rooms that are left are named at the end of destroy and in status, with why', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  const stopped = await run(['destroy', '--room', 'a', '--room', 'b', '--batch', 'evening'], {
    env: { ...options.env, TENCENT_SECRET_KEY: 'wrong-key-'.repeat(6) },
  });
  expect(stopped.code, stopped.stderr).toBe(3);
  const status = (await run(['status', '--batch', 'evening'], options)).stdout;
  for (const shown of [stopped.stderr, status]) {
    for (const room of ['a', 'b'])
      expect(shown).toMatch(
        new RegExp(`^ *${room}: waiting: the line is stopped: UserSig was made .*`, 'm'),
      );
  }
});

test('a worker with an old key holds back alone, and a look says which; with all keys old the line stops', async () => {
  const { server, env } = await openStage({ latencyMs: 50 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, RATE_LIMIT_PER_SECOND: '50' } };
  const old = { env: { ...options.env, TENCENT_SECRET_KEY: 'old-key-'.repeat(8) } };
  await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(roomIds(1_500)) });
  const well = startInside(['worker'], options);
  await server.reached(20);
  const late = startInside(['worker'], old);
  await late.said(/this worker is refused, others are not: holding back/);

  const status = JSON.parse((await run(['status', '--json'], options)).stdout) as {
    lines: object[];
    workers: { pid: number; state: string; reason?: string; keyFingerprint: string }[];
  };
  expect(status.lines).toMatchObject([{ state: 'running' }]);
  const keys = status.workers.map(({ keyFingerprint }) => keyFingerprint);
  expect(new Set(keys).size).toBe(2);
  const text = () => run(['status'], options).then(({ stdout }) => stdout);
  await expect
    .poll(text, { timeout: 30_000, interval: 250 })
    .toMatch(/HOLDING BACK \(UserSig was made with the wrong key \(70009\)\)/);
  const before = (await server.report()).requests.length;
  await server.reached(before + 50);

  well.kill('SIGTERM');
  expect((await well.ended).code).toBe(0);
  await late.said(/line stopped/);
  expect(await text()).toMatch(/STOPPED since .*wrong key \(70009\), said by worker \S+:\d+$/m);
  late.kill('SIGTERM');
  await late.ended;
  const { requests, rooms } = await server.report();
  expect(Object.values(rooms).filter((room) => room.requests !== 1)).toEqual([]);
  // What was in flight when it was first refused, and one job each time it tried again.
  const refused = requests.filter(({ errorCode }) => errorCode === 70009);
  expect(refused.length).toBeLessThan(120);
});

test('destroy on a stopped line tries one room, and stops again where the key is still wrong', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = {
    cwd: folderWith({ 'rooms.txt': lines(roomIds(50)) }),
    env: { ...env, ...stores, TENCENT_SECRET_KEY: 'wrong-key-'.repeat(6) },
  };
  expect((await run(['destroy', 'rooms.txt'], options)).code).toBe(3);
  const before = (await server.report()).requests.length;

  const again = await run(['destroy', 'rooms.txt'], {
    ...options,
    env: { ...options.env, LOG_LEVEL: 'info' },
  });

  expect(again.code, again.stderr).toBe(3);
  expect(again.stderr).toMatch(/70009/);
  const sent = (await server.report()).requests.length - before;
  expect(sent, again.stderr).toBe(1);
});

test('a worker that is started with the mended key goes on by itself', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const wrong = { ...options.env, TENCENT_SECRET_KEY: 'wrong-key-'.repeat(6) };
  expect((await run(['destroy', '-'], { env: wrong, stdin: lines(roomIds(30)) })).code).toBe(3);
  const before = (await server.report()).requests.length;

  const worker = startInside(['worker'], options);

  await worker.said(/the probe succeeded: line runs again/);
  await server.reached(before + 30);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(30);
});

test('where the probe of a stopped line fails, the next one is another room', async () => {
  const rooms = roomIds(3);
  const { server, env } = await openStage({
    scripts: Object.fromEntries(rooms.map((room) => [room, [{ kind: 'status', status: 403 }]])),
  });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const worker = startInside(['worker'], options);
  await worker.said(/worker started/);
  const lineIs = (state: string) =>
    withPostgres(stores.DATABASE_URL, (client) =>
      client.query(`update room_reaper.lines set ${state}`),
    );
  await lineIs(`stopped_at = now(), stop_reason = 'HTTP 403',
    probe_at = now() + interval '1 hour', probe_pause_ms = 3600000`);
  await run(['enqueue', '-'], { ...options, stdin: lines(rooms) });
  await worker.said(/line stopped/);

  await lineIs('probe_at = now()');
  await server.reached(1);
  await lineIs('probe_at = now()');
  await server.reached(2);

  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  const [first, second] = (await server.report()).requests.map(({ roomId }) => roomId);
  expect(second).not.toBe(first);
});

test('resume lets the workers of a stopped line go on', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const worker = startInside(['worker'], options);
  await worker.said(/worker started/);
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(`
      update room_reaper.lines set stopped_at = now(), stop_code = 60020, stop_reason = 'in arrears',
        probe_at = now() + interval '1 hour', probe_pause_ms = 3600000`),
  );
  await run(['enqueue', '-'], { ...options, stdin: lines(roomIds(30)) });
  await worker.said(/line stopped/);
  expect((await server.report()).requests).toEqual([]);

  const resumed = await run(['resume'], options);

  expect(resumed).toMatchObject({ code: 0, stdout: expect.stringMatching(/runs again/) as string });
  await worker.said(/line runs again/);
  await server.reached(30);
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(30);
});
