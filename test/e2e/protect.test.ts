/** Rooms that are never destroyed. */
import { describe, expect, test } from 'vitest';
import { openTestQueue } from './queue.js';
import { folderWith, run, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres } from './stage.js';

async function openRails() {
  const { server, env, sdkAppId } = await openStage();
  const variables = await redisAndPostgres();
  const cwd = folderWith({
    'rooms.txt': lines(['a', 'vip-1', 'b', 'always on']),
    'rails.txt': 'always on\nvip-*\n',
  });
  return { server, sdkAppId, variables, options: { cwd, env: { ...env, ...variables } } };
}

describe.each(['destroy', 'enqueue'])('%s', (command) => {
  test('refuses a list with protected rooms in it, names them, and sends nothing', async () => {
    const { server, options } = await openRails();
    // What is refused makes no ledger.
    expect((await run(['migrate'], options)).code).toBe(0);
    const ended = await run([command, 'rooms.txt', '--protect', 'rails.txt'], options);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^vip-1 is protected by "vip-\*"$/m);
    expect(ended.stderr).toMatch(/^always on is protected$/m);
    expect(ended.stderr).toMatch(/^1 RoomId and 1 pattern are protected$/m);
    expect(ended.stderr).toMatch(/the list has 2 protected rooms; nothing was sent\./);
    const status = await run(['status', '--json'], options);
    expect(JSON.parse(status.stdout)).toMatchObject({ queue: { waiting: 0 }, batches: [] });
    expect((await server.report()).requests).toEqual([]);
  });

  test('leaves them out with --skip-protected', async () => {
    const { options } = await openRails();
    const flags = ['--protect', 'vip-*', '--protect', 'always on', '--skip-protected', '--json'];
    const ended = await run([command, 'rooms.txt', ...flags], options);
    expect(ended.code, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ requested: 2, unique: 2, protected: 2 });
  });
});

test('the list of PROTECTED_ROOMS_FILE holds for every command that asks for rooms', async () => {
  const { options } = await openRails();
  const env = { ...options.env, PROTECTED_ROOMS_FILE: 'rails.txt' };
  const refused = await run(['enqueue', '--room', 'vip-7'], { ...options, env });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/^vip-7 is protected by "vip-\*"$/m);
  const dry = await run(['enqueue', 'rooms.txt', '--dry-run'], { ...options, env });
  expect(dry.code).toBe(2);
  expect(dry.stderr).toMatch(/the list has 2 protected rooms/);
  expect(dry.stdout).toMatch(/^2 rooms valid, 0 duplicate, 0 bad, 2 protected: /);
});

test('a worker does not destroy one, whoever put it on the queue', async () => {
  const { server, sdkAppId, variables, options } = await openRails();
  const queue = await openTestQueue(sdkAppId, variables.QUEUE_URL);
  await queue.addRoom('vip-1');
  await queue.addRoom('b');

  const worker = startInside(['worker'], {
    ...options,
    env: { ...options.env, PROTECTED_ROOMS_FILE: 'rails.txt' },
  });

  await server.reached(1);
  await expect
    .poll(async () => (await readDestructions(variables.DATABASE_URL)).get('vip-1')?.outcome, {
      timeout: 60_000,
    })
    .toBe('cancelled');
  worker.kill('SIGTERM');
  const ended = await worker.ended;
  expect(ended.code).toBe(0);
  expect(ended.stderr).toContain('1 RoomId and 1 pattern are protected');
  expect((await server.report()).requests.map(({ roomId }) => roomId)).toEqual(['b']);
  expect((await readDestructions(variables.DATABASE_URL)).get('vip-1')).toMatchObject({
    error_info: 'protected by "vip-*"',
    attempts: 0,
  });
  expect(await queue.getJobCounts('prioritized', 'active', 'failed')).toMatchObject({
    ...{ prioritized: 0, active: 0, failed: 0 },
  });
});

test.each([
  ['a file that is not there', ['--protect', 'vip.txt'], /no such file/],
  ['a path that is not there', ['--protect', './lists/vip'], /no such file/],
  ['an empty value', ['--protect', ''], /--protect must be a RoomId or a pattern/],
  ['a directory', ['--protect', '.'], /--protect must be a readable file, got "." \(EISDIR\)/],
  ['rooms in one value', ['--protect', 'a,b'], /--protect must be .* a separator in it/],
])('--protect refuses %s', async (_, flags, message) => {
  const ended = await run(['enqueue', '--room', 'a', ...flags], {
    env: { TENCENT_SDK_APP_ID: '1400000001' },
  });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(message);
});

test('a pattern that protects nothing of the list is said', async () => {
  const { options } = await openRails();
  const ended = await run(['enqueue', 'rooms.txt', '--protect', 'vpi-*', '--dry-run'], options);
  expect(ended.stderr).toMatch(/^--protect "vpi-\*" protects no room of this list/m);
});

test('a worker whose list of protected rooms is not there does not start', async () => {
  const { options } = await openRails();
  const ended = await run(['worker'], {
    ...options,
    env: { ...options.env, PROTECTED_ROOMS_FILE: 'gone.txt' },
  });
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(/PROTECTED_ROOMS_FILE must be a readable file, got "gone.txt"/);
});
