import { existsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { freePort } from '../support/program.js';
import { afterThisTest, folderWith, run } from './room-reaper.js';
import { lines, openStage, postgresOnly, redisAndPostgres, roomIds } from './stage.js';

test('bad lines are named by their numbers and nothing is sent', async () => {
  const { server, env } = await openStage();
  const cwd = folderWith({ 'rooms.txt': `good\n\nbäd\n${'x'.repeat(49)}\nfine\nta\tb\n` });

  const ended = await run(['destroy', 'rooms.txt'], { cwd, env });

  expect(ended.code).toBe(2);
  expect(ended.stdout).toBe('');
  for (const number of [3, 4, 6]) {
    expect(ended.stderr).toMatch(new RegExp(`line ${number}\\b.*RoomId must be`));
  }
  expect(ended.stderr).not.toMatch(/line [125]\b/);
  expect(ended.stderr).toMatch(/3 lines that are not RoomIds; nothing was sent.*--skip-invalid/);
  expect((await server.report()).requests).toEqual([]);
  expect(existsSync(join(cwd, '.room-reaper'))).toBe(false);
});

test('more than 1,000 rooms need --yes where nobody can be asked', async () => {
  const { server, env } = await openStage();
  const cwd = folderWith({ 'rooms.txt': lines(roomIds(1_001)) });

  const ended = await run(['destroy', 'rooms.txt'], { cwd, env });

  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(/1,001 rooms need consent; add --yes .*--dry-run/);
  expect(ended.stdout).toBe('');
  expect((await server.report()).requests).toEqual([]);
  expect(existsSync(join(cwd, '.room-reaper'))).toBe(false);
});

test('all bad variables are reported at once, with exit code 2 and no stack trace', async () => {
  const ended = await run(['destroy', '--room', 'a'], {
    env: {
      TENCENT_SDK_APP_ID: 'many',
      TENCENT_SECRET_KEY: 'short-and-secret',
      TENCENT_REGION: 'mars',
      TENCENT_ENDPOINT: 'http://example.com',
      QUEUE_URL: 'amqp://user:hidden@host',
      RATE_LIMIT_PER_SECOND: '-1',
      WORKER_CONCURENCY: '5',
    },
  });

  expect(ended.code).toBe(2);
  for (const name of [
    'TENCENT_SDK_APP_ID must be',
    'TENCENT_REGION must be',
    'TENCENT_ENDPOINT must be',
    'QUEUE_URL must be',
    'RATE_LIMIT_PER_SECOND must be',
    'WORKER_CONCURENCY is not a known variable; did you mean WORKER_CONCURRENCY',
  ]) {
    expect(ended.stderr).toContain(name);
  }
  expect(ended.stderr).not.toContain('hidden');
  expect(ended.stderr).not.toContain('short-and-secret');
  expect(ended.stderr).not.toMatch(/^\s+at /m);
  expect(ended.stdout).toBe('');
});

test.each([
  ['no rooms', ['destroy'], /no rooms given/],
  ['a file that is not there', ['destroy', 'absent.txt'], /absent\.txt/],
  ['an unknown flag', ['destroy', '--rooom', 'a'], /unknown option '--rooom'/],
  ['an unknown command', ['destory'], /unknown command 'destory'/],
  ['an unknown format', ['destroy', '-', '--format', 'xml'], /--format must be/],
])('%s is a usage error: exit code 2, one message, no stack trace', async (_, args, message) => {
  const ended = await run(args, {
    env: { TENCENT_SDK_APP_ID: '1400000001', TENCENT_SECRET_KEY: 'k'.repeat(64) },
  });

  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr).not.toMatch(/^\s+at /m);
  expect(ended.stdout).toBe('');
});

/** Counts the connections to this port that are tried from inside this process, until it is asked. */
function countConnections(port: number): () => number {
  const connect = vi.spyOn(net.Socket.prototype, 'connect');
  afterThisTest(() => connect.mockRestore());
  return () => {
    const ports = connect.mock.calls.map((call: unknown[]) => {
      // As net.connect gives them: a list of options and a listener.
      const [first] = Array.isArray(call[0]) ? (call[0] as unknown[]) : call;
      return Number((first as { port?: unknown }).port ?? first);
    });
    connect.mockRestore();
    return ports.filter((each) => each === port).length;
  };
}

test.each([
  [
    'Redis',
    async (port: number) => ({
      ...(await postgresOnly()),
      QUEUE_URL: `redis://user:hidden@127.0.0.1:${port}/3`,
    }),
    (port: number) => `redis://user:***@127.0.0.1:${port}/3`,
  ],
  [
    'the ledger',
    async (port: number) => ({
      ...(await redisAndPostgres()),
      DATABASE_URL: `postgres://user:hidden@127.0.0.1:${port}/ledger`,
    }),
    (port: number) => `postgres://user:***@127.0.0.1:${port}/ledger`,
  ],
  [
    'a queue in Postgres',
    async (port: number) => ({
      ...(await redisAndPostgres()),
      QUEUE_URL: `postgres://user:hidden@127.0.0.1:${port}/queue`,
    }),
    (port: number) => `postgres://user:***@127.0.0.1:${port}/queue`,
  ],
])(
  '%s that cannot be reached: exit code 2 at once, its URL named without the password',
  async (_, storesAt, shownAt) => {
    const { server, env } = await openStage();
    const port = await freePort();

    const stores = await storesAt(port);
    const commands = [['destroy', '--room', 'a'], ['enqueue', '--room', 'a'], ['worker']];
    for (const command of commands) {
      const tried = countConnections(port);
      const ended = await run(command, { env: { ...env, ...stores } });
      // A worker is a process, whose connections are not seen here.
      if (command[0] !== 'worker') expect([1, 2], 'not again and again').toContain(tried());
      expect(ended.code).toBe(2);
      expect(ended.stderr).toContain(shownAt(port));
      expect(ended.stderr).toContain('ECONNREFUSED');
      expect(ended.stderr).not.toContain('hidden');
      expect(ended.stderr).not.toMatch(/^\s+at /m);
    }
    expect((await server.report()).requests).toEqual([]);
  },
);
