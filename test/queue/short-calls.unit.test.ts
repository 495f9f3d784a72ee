import { expect, test } from 'vitest';
import type { DestroyQueue } from '../../src/queue/job.js';
import { addInShortCalls, jobsAtOnce } from '../../src/queue/short-calls.js';

test('many jobs are added in calls that each take little, in their order', async () => {
  const calls: string[][] = [];
  const queue = {
    addBulk(jobs: { name: string }[]) {
      calls.push(jobs.map(({ name }) => name));
      return Promise.resolve(jobs);
    },
  } as unknown as DestroyQueue;
  const jobs = Array.from({ length: 2 * jobsAtOnce + 1 }, (_, n) => ({ name: String(n) }));

  addInShortCalls(queue);
  const added = await queue.addBulk(jobs as never);

  expect(added).toEqual(jobs);
  expect(calls.map((call) => call.length)).toEqual([jobsAtOnce, jobsAtOnce, 1]);
});
