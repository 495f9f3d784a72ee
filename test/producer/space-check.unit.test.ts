import { describe, expect, test } from 'vitest';
import { createSpaceCheck } from '../../src/producer/space-check.js';
import { parseMemory, type QueueMemory } from '../../src/queue/space.js';

const MB = 2 ** 20;

/** A Redis of 100 MB, of which so much is used. */
const used = (megabytes: number): QueueMemory => ({
  usedBytes: megabytes * MB,
  limitBytes: 100 * MB,
});

/** What `readMemory` is answered is set from outside. */
function check(total?: number) {
  const redis: { memory: QueueMemory | undefined; asked: number } = { memory: used(0), asked: 0 };
  const space = createSpaceCheck({
    readMemory: () => {
      redis.asked += 1;
      return Promise.resolve(redis.memory);
    },
    ...(total === undefined ? {} : { total }),
  });
  return { redis, space };
}

describe('before the first room', () => {
  test('a list that surely does not fit is refused whole, with how many would fit and what to do', async () => {
    const { space } = check(1_000_000);
    await expect(space.beforeFirst()).rejects.toMatchObject({
      ...{ code: 'NO_SPACE', remedy: 'run_again_then' },
      message:
        'Redis must have space for 1,000,000 more rooms below its maxmemory of 100 MB, got space for about 166,024; ' +
        'nothing was added. Raise maxmemory, wait until rooms have been destroyed, or split the list',
    });
  });

  test('one that fits is taken', async () => {
    await check(160_000).space.beforeFirst();
  });

  test('a part of maxmemory is left to the workers', async () => {
    const { redis, space } = check(1);
    redis.memory = used(95.1);
    await expect(space.beforeFirst()).rejects.toThrow('got space for about 0');
  });

  test('a Redis without maxmemory is never full', async () => {
    const { redis, space } = check(1_000_000_000);
    redis.memory = undefined;
    await space.beforeFirst();
    await space.beforeAdding(0);
  });
});

describe('while rooms are added', () => {
  test('it stops where the rest no longer fits, at what a room takes as measured', async () => {
    const { redis, space } = check(100_000);
    await space.beforeFirst();
    redis.memory = used(12); // 20,000 rooms took 629 bytes each
    await space.beforeAdding(20_000);
    redis.memory = used(60); // 40,000 took as much as 1,500 each: others add as well
    await expect(space.beforeAdding(40_000)).rejects.toMatchObject({
      ...{ code: 'NO_SPACE', remedy: 'run_again_for_the_rest' },
      message: expect.stringMatching(
        /space for 60,000 more rooms .* got space for about 24,466; 40,000 rooms are on the queue or done\./,
      ) as string,
    });
  });

  test('it looks once in ten thousand rooms', async () => {
    const { redis, space } = check(100_000);
    for (let settled = 0; settled < 50_000; settled += 250) await space.beforeAdding(settled);
    expect(redis.asked).toBe(5);
  });

  test('where the number of rooms to come is not known, the next ten thousand must fit', async () => {
    const { redis, space } = check();
    redis.memory = used(85);
    await space.beforeAdding(0);
    redis.memory = used(94);
    await expect(space.beforeAdding(10_000)).rejects.toThrow('space for 10,000 more rooms');
  });
});

describe('what INFO says', () => {
  const info = (maxmemory: number) =>
    `# Memory\r\nused_memory:1000\r\nused_memory_rss:5000\r\nmaxmemory:${maxmemory}\r\nmaxmemory_human:0B\r\nmem_not_counted_for_evict:40\r\n`;

  test('buffers that Redis does not count against its limit are not counted here', () => {
    expect(parseMemory(info(2_000))).toEqual({ usedBytes: 960, limitBytes: 2_000 });
  });

  test('maxmemory 0 is no limit', () => {
    expect(parseMemory(info(0))).toBeUndefined();
    expect(parseMemory('')).toBeUndefined();
  });
});
