/** The same list again, while its batch is unfinished. */
import { expect, test } from 'vitest';
import { folderWith, run } from './room-reaper.js';
import { lines, openStage, redisAndPostgres, roomIds } from './stage.js';

async function listOf(rooms: readonly string[]) {
  const { server, env } = await openStage();
  const options = {
    cwd: folderWith({ 'rooms.txt': lines(rooms) }),
    env: { ...env, ...(await redisAndPostgres()) },
  };
  return { server, options };
}

test('what was enqueued for later is destroyed now, when it is wanted now', async () => {
  const { server, options } = await listOf(roomIds(5));
  const later = await run(['enqueue', 'rooms.txt', '--delay', '1h', '--json'], options);
  const now = await run(['destroy', 'rooms.txt', '--json'], options);
  expect(now.code, now.stderr).toBe(0);
  const { batchId } = JSON.parse(later.stdout) as { batchId: string };
  expect(JSON.parse(now.stdout)).toMatchObject({ batchId, outcomes: { destroyed: 5 } });
  expect((await server.report()).requests).toHaveLength(5);
});

test('a room that it had joined to another destruction, which has ended, is not asked for again', async () => {
  const { server, options } = await listOf(['a', 'b']);
  // "a" waits by itself; the list joins it and waits for an hour; then "a" alone is destroyed.
  await run(['enqueue', '--room', 'a', '--delay', '1h'], options);
  await run(['enqueue', 'rooms.txt', '--delay', '1h'], options);
  expect((await run(['destroy', '--room', 'a'], options)).code).toBe(0);

  const list = await run(['destroy', 'rooms.txt', '--json'], options);

  expect(list.code, list.stderr).toBe(0);
  expect(JSON.parse(list.stdout)).toMatchObject({ unique: 2, outcomes: { destroyed: 2 } });
  const { rooms } = await server.report();
  expect(Object.entries(rooms).map(([room, { requests }]) => [room, requests])).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
});

test('its deadline begins anew', async () => {
  const { options } = await listOf(roomIds(3));
  const soon = { ...options, env: { ...options.env, DESTROY_DEADLINE_HOURS: '0.0001' } };
  await run(['enqueue', 'rooms.txt'], soon);
  const again = await run(['destroy', 'rooms.txt', '--json'], options);
  expect(again.code, again.stderr).toBe(0);
  expect(JSON.parse(again.stdout)).toMatchObject({ outcomes: { destroyed: 3, expired: 0 } });
});
