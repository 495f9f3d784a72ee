import { describe, expect, test } from 'vitest';
import { run, start, startInside } from './room-reaper.js';
import {
  folderWithDatabase,
  lines,
  openStage,
  readAttempts,
  readDestructions,
  redisAndPostgres,
  roomIds,
} from './stage.js';

describe.each([
  ['on the embedded default', () => Promise.resolve({})],
  ['on Redis and Postgres', redisAndPostgres],
] as const)('destroy %s', (_, openStores) => {
  test('interrupted says how to go on, and run again asks for no room twice', async () => {
    const { server, env } = await openStage({ latencyMs: 50 });
    const rooms = roomIds(90);
    const options = {
      cwd: await folderWithDatabase({ 'rooms.txt': lines(rooms) }),
      // So slow that most rooms still wait when it is interrupted.
      env: { ...env, ...(await openStores()), RATE_LIMIT_PER_SECOND: '25' },
    };

    const first = startInside(['destroy', 'rooms.txt', '--json'], options);
    await server.reached(10);
    first.kill('SIGINT');
    const interrupted = await first.ended;

    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toMatch(/run the same command again to go on/);
    const before = await server.report();
    const asked = before.requests.length;
    expect(asked).toBeLessThan(85);
    const partly = JSON.parse(interrupted.stdout) as { outcomes: object; batchId: string };
    expect(partly.outcomes).toMatchObject({ destroyed: asked });
    expect(interrupted.stderr).toMatch(new RegExp(`\\b${90 - asked} rooms\\b`));

    const second = await run(['destroy', 'rooms.txt', '--json'], options);

    expect(second.code, second.stderr).toBe(0);
    expect(second.stderr).toContain(`going on with batch ${partly.batchId}`);
    expect(JSON.parse(second.stdout)).toMatchObject({
      batchId: partly.batchId,
      unique: 90,
      outcomes: { destroyed: 90 },
      attempts: 90,
    });
    const report = await server.report();
    expect(Object.keys(report.rooms).sort()).toEqual(rooms);
    expect(Object.values(report.rooms).filter((room) => room.requests !== 1)).toEqual([]);
  });
});

test('destroy ends in order and with 130 although nobody reads what it says any more', async () => {
  const { server, env } = await openStage({ latencyMs: 300 });
  const stores = await redisAndPostgres();
  const running = start(['destroy', '-'], {
    env: { ...env, ...stores },
    stdin: lines(roomIds(500)),
  });
  await server.reached(20);

  // As `tee`, which Ctrl-C ends too.
  running.closePipes();
  running.kill('SIGINT');

  expect(await running.ended).toMatchObject({ code: 130, signal: null });
  const asked = (await server.report()).requests.length;
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(rows.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(asked);
});

test.each<[string, ('SIGTERM' | 'SIGHUP')[]]>([
  ['SIGTERM', ['SIGTERM']],
  // The shell sends one, and so does the system.
  ['the SIGHUPs of a terminal that is closed', ['SIGHUP', 'SIGHUP']],
])('destroy that is told to end by %s ends like one that is interrupted', async (_, signals) => {
  const { server, env } = await openStage({ latencyMs: 300 });
  const stores = await redisAndPostgres();
  const run = startInside(['destroy', '-'], {
    env: { ...env, ...stores },
    stdin: lines(roomIds(500)),
  });
  await server.reached(20);

  for (const signal of signals) {
    run.kill(signal);
    await run.said(/finishing what is in flight/);
  }

  expect(await run.ended).toMatchObject({
    code: 130,
    stderr: expect.stringMatching(/run the same command again/) as string,
  });
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  const told = rows.filter(({ statistics_source }) => statistics_source === 'response');
  expect(told).toHaveLength((await server.report()).requests.length);
});

test('a worker whose terminal is closed records what is in flight', async () => {
  const { server, env } = await openStage({ latencyMs: 300 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  await run(['enqueue', '-'], { ...options, stdin: lines(roomIds(500)) });
  const worker = start(['worker'], options);
  await server.reached(20);

  worker.closePipes();
  worker.kill('SIGHUP');
  worker.kill('SIGHUP');

  expect(await worker.ended).toMatchObject({ code: 0, signal: null });
  const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
  const told = rows.filter(({ statistics_source }) => statistics_source === 'response');
  expect(told).toHaveLength((await server.report()).requests.length);
});

test('a worker told to end answers what is in flight, records it, gives the rest back, and exits 0', async () => {
  const { server, env } = await openStage({ latencyMs: 400 });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  await run(['enqueue', '-'], { ...options, stdin: lines(roomIds(900)) });
  const worker = startInside(['worker'], options);
  await server.reached(120);

  worker.kill('SIGTERM');

  const ended = await worker.ended;
  expect(ended.code, ended.stderr).toBe(0);
  const report = await server.report();
  const rows = await readDestructions(stores.DATABASE_URL);
  const attempts = await readAttempts(stores.DATABASE_URL);
  const asked = Object.keys(report.rooms).sort();
  const recorded = [...rows.values()].filter(({ outcome }) => outcome === 'destroyed');
  expect(recorded.map((row) => row.room_id).sort()).toEqual(asked);
  expect(asked.length).toBeLessThan(800);
  // No attempt without an end: nobody must take an unsent one for a request with a lost answer.
  const open = [...attempts.values()].flat().filter(({ ended_at }) => ended_at === null);
  expect(open).toEqual([]);
  const status = await run(['status', '--json'], options);
  expect(JSON.parse(status.stdout)).toMatchObject({
    queue: { waiting: 900 - asked.length, active: 0, delayed: 0, failed: 0 },
  });
});

test.each([
  ['destroy', ['destroy', '--room', 'a'], /finishing what is in flight/],
  ['worker', ['worker'], /finishing what is in flight/],
])('%s exits at once at a second signal', async (_, command, finishing) => {
  const { server, env } = await openStage({ scripts: { a: [{ kind: 'hang' }] } });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores, REQUEST_TIMEOUT_MS: '60000' } };
  await run(['enqueue', '--room', 'a'], options);
  const program = start(command, options);
  await server.reached(1);

  program.kill('SIGINT');
  await program.said(finishing);
  program.kill('SIGINT');

  const ended = await program.ended;
  expect(ended.code).toBe(130);
  // It waited neither for the answer, which never comes, nor until it gives up on it.
  expect(ended.stderr).not.toContain('shutdown deadline');
  expect((await readAttempts(stores.DATABASE_URL)).get('a')).toMatchObject([{ ended_at: null }]);
});
