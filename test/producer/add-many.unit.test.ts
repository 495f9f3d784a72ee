import { describe, expect, test } from 'vitest';
import { twoAtOnce } from '../../src/producer/add-many.js';

// oxlint-disable-next-line typescript/require-await -- what is read is asynchronous
async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n;
}

/** Uses that end when they are told to. */
function openEnded() {
  const begun: number[] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const use = (n: number) =>
    new Promise<void>((resolve, reject) => {
      begun.push(n);
      ends.push({ resolve, reject });
    });
  return { begun, ends, use };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('chunks', () => {
  test('are begun in order, two at a time', async () => {
    const { begun, ends, use } = openEnded();
    const all = twoAtOnce(numbers(4), use);
    await turn();
    expect(begun).toEqual([0, 1]);
    ends[0]?.resolve();
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    ends[1]?.resolve();
    await turn();
    ends[2]?.resolve();
    ends[3]?.resolve();
    await all;
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  test('after a failure no more are begun, and it waits for the one that is under way', async () => {
    const { begun, ends, use } = openEnded();
    let failed: unknown;
    const all = twoAtOnce(numbers(9), use).catch((error: unknown) => (failed = error));
    await turn();
    ends[0]?.reject(new Error('full'));
    await turn();
    expect(failed).toBeUndefined();
    ends[1]?.resolve();
    await all;
    expect(failed).toMatchObject({ message: 'full' });
    expect(begun).toEqual([0, 1]);
  });

  test('a list that fails while it is read lets what is under way end first', async () => {
    const { ends, use } = openEnded();
    // oxlint-disable-next-line typescript/require-await -- as above
    const broken = async function* () {
      yield 0;
      throw new Error('bad line');
    };
    let ended = false;
    const all = twoAtOnce(broken(), use).finally(() => (ended = true));
    const result = expect(all).rejects.toThrow('bad line');
    await turn();
    expect(ended).toBe(false);
    ends[0]?.resolve();
    await result;
  });

  test('an abort begins no more', async () => {
    const { begun, ends, use } = openEnded();
    const stop = new AbortController();
    const all = twoAtOnce(numbers(9), use, stop.signal);
    await turn();
    stop.abort();
    ends[0]?.resolve();
    ends[1]?.resolve();
    ends[2]?.resolve();
    await turn();
    ends[2]?.resolve();
    await all;
    expect(begun.length).toBeLessThanOrEqual(3);
  });
});
