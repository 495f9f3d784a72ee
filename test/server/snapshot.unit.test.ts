import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSnapshot } from '../../src/server/snapshot.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Looks that a test ends, each with its number. */
function looks() {
  const under: { end: () => void; fail: () => void }[] = [];
  let taken = 0;
  const snapshot = createSnapshot({ freshMs: 1_000, staleMs: 1_000 }, () => {
    const look = ++taken;
    return new Promise<number>((resolve, reject) => {
      under.push({ end: () => resolve(look), fail: () => reject(new Error(`look ${look}`)) });
    });
  });
  return { snapshot, under, taken: () => taken };
}

test('those who ask first wait for one look, which counts for a second', async () => {
  const { snapshot, under, taken } = looks();
  const asked = [snapshot(), snapshot()];
  under[0]?.end();
  expect((await Promise.all(asked)).map(({ value }) => value)).toEqual([1, 1]);
  vi.advanceTimersByTime(999);
  expect((await snapshot()).value).toBe(1);
  expect(taken()).toBe(1);
});

test('while the next one is taken, the last one counts for another second and nobody waits', async () => {
  const { snapshot, under, taken } = looks();
  const first = snapshot();
  under[0]?.end();
  await first;
  vi.advanceTimersByTime(1_000);
  expect((await snapshot()).value).toBe(1);
  expect((await snapshot()).value).toBe(1);
  expect(taken()).toBe(2);
  under[1]?.end();
  await vi.waitFor(async () => expect((await snapshot()).value).toBe(2));
  expect(taken()).toBe(2);
});

test('one that is older than that is shown to nobody', async () => {
  const { snapshot, under } = looks();
  const first = snapshot();
  under[0]?.end();
  await first;
  vi.advanceTimersByTime(2_000);
  const next = snapshot();
  under[1]?.end();
  expect((await next).value).toBe(2);
});

test('a look that fails is told to those who waited for it, and the next one looks anew', async () => {
  const { snapshot, under, taken } = looks();
  const first = snapshot();
  under[0]?.end();
  await first;
  vi.advanceTimersByTime(1_000);
  // Nobody waits for this one.
  await snapshot();
  under[1]?.fail();
  vi.advanceTimersByTime(1_000);
  await vi.waitFor(() => {
    void snapshot().catch(() => undefined);
    expect(taken()).toBe(3);
  });
  const waited = snapshot();
  under[2]?.fail();
  await expect(waited).rejects.toThrow('look 3');
});

test('unless it is said, nothing is shown longer than it counts', async () => {
  let taken = 0;
  const snapshot = createSnapshot({ freshMs: 1_000 }, () => Promise.resolve(++taken));
  await snapshot();
  vi.advanceTimersByTime(1_000);
  expect((await snapshot()).value).toBe(2);
});
