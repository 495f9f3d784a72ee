import { expect, test } from 'vitest';
import { createCameBack } from '../../src/worker/came-back.js';
import { destruction, id, madeUpJob, requestedAtMs } from './made-up.js';

/** Over a queue where a job owns the key of its room, or not, and a ledger that answers as told. */
function openCameBack(given: { owner?: string; nowMs?: number; failures?: Error[] } = {}) {
  const asked: { name: string; values: readonly unknown[] }[] = [];
  const failures = given.failures ?? [];
  const cameBack = createCameBack({
    database: {
      query: (name: string, _sql: string, values: readonly unknown[]) => {
        asked.push({ name, values });
        const failure = failures.shift();
        return failure
          ? Promise.reject(failure)
          : Promise.resolve([{ guard: requestedAtMs - 0.5 }] as never[]);
      },
      close: () => Promise.resolve(),
    },
    queue: { getDeduplicationJobId: () => Promise.resolve(given.owner ?? null) } as never,
    now: () => given.nowMs ?? requestedAtMs,
  });
  return { cameBack, asked };
}

const { job } = madeUpJob({ deduplicationId: 'room-1' });

test('a job that owns its key no more was in the failed set: it is begun anew', async () => {
  const { cameBack, asked } = openCameBack();
  const { job } = madeUpJob({ deduplicationId: 'room-1' });
  const guarded = { ...destruction, onlyCreatedBeforeMs: requestedAtMs - 1 };
  expect(await cameBack.reopen(job, destruction)).toEqual(guarded);
  expect(job.data).toMatchObject({ o: 'room-1', g: requestedAtMs - 1 });
  expect(job.data).not.toHaveProperty('r');
  expect(asked).toMatchObject([{ name: 'reopen', values: [id] }]);
});

test('a key that another job of the room owns by now is not its own', async () => {
  const { cameBack } = openCameBack({ owner: 'another' });
  expect(await cameBack.reopen(job, destruction)).toBeDefined();
});

test('a job that owns its key runs once more after a crash: it is not begun anew', async () => {
  const { cameBack, asked } = openCameBack({ owner: id });
  expect(await cameBack.reopen(job, destruction)).toBeUndefined();
  expect(asked).toEqual([]);
});

test('a job without a key was made by another program: it is not begun anew', async () => {
  const { cameBack } = openCameBack();
  expect(await cameBack.reopen(madeUpJob().job, destruction)).toBeUndefined();
});

test('past its deadline the room may be a new one: it is not begun anew', async () => {
  const { cameBack } = openCameBack({ nowMs: destruction.notAfterMs + 1 });
  expect(await cameBack.reopen(job, destruction)).toBeUndefined();
});

test('what is in the failed set is noted until the ledger has it, and closing waits for that', async () => {
  const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
  const { cameBack, asked } = openCameBack({ failures: [away] });
  cameBack.isInFailedSet('a');
  cameBack.isInFailedSet('b');
  await expect.poll(() => asked).toHaveLength(2);
  await cameBack.close();
  expect(asked[1]).toEqual({
    name: 'in-failed-set',
    values: [
      ['a', 'b'],
      [requestedAtMs, requestedAtMs],
    ],
  });
});

test('closing does not wait for a ledger that is away', async () => {
  const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
  const { cameBack, asked } = openCameBack({ failures: Array.from({ length: 100 }, () => away) });
  cameBack.isInFailedSet('a');
  await expect.poll(() => asked).not.toHaveLength(0);
  await cameBack.close();
  expect(asked.length).toBeLessThan(100);
});
