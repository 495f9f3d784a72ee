import { afterEach, describe, expect, test, vi } from 'vitest';
import { gather } from '../../src/ledger/gather.js';

afterEach(() => vi.useRealTimers());

/** A call that is held until it is told how to end; it answers each item in capitals. */
function heldCalls() {
  const groups: string[][] = [];
  const ends: { succeed: () => void; fail: (error: Error) => void }[] = [];
  const call = (items: readonly string[]) =>
    new Promise<string[]>((resolve, reject) => {
      groups.push([...items]);
      ends.push({ succeed: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
    });
  return { call, groups, ends };
}

/** A call that answers at once. */
function quickCalls() {
  const groups: string[][] = [];
  const call = (items: readonly string[]) => {
    groups.push([...items]);
    return Promise.resolve(items.map((item) => item.toUpperCase()));
  };
  return { call, groups };
}

type Call = (items: readonly string[]) => Promise<readonly string[]>;

function gathering(call: Call, options: Parameters<typeof gather<string, string>>[1]) {
  const group = gather<string, string>(call, options);
  return { add: (item: string) => group.add(item), idle: () => group.idle() };
}

const away = new Error('the database is away');

const several = {
  maximum: 100,
  everyMs: 0,
  isPassing: (error: unknown) => error === away,
};

describe('grouping', () => {
  test('one item alone goes at once', async () => {
    const { call, groups } = quickCalls();
    expect(await gather(call, several).add('a')).toBe('A');
    expect(groups).toEqual([['a']]);
  });

  test('items of the same moment go together', async () => {
    const { call, groups } = quickCalls();
    const { add } = gathering(call, several);
    expect(await Promise.all(['a', 'b', 'c'].map(add))).toEqual(['A', 'B', 'C']);
    expect(groups).toEqual([['a', 'b', 'c']]);
  });

  test('what comes while a call is under way gathers for the next: never two at a time', async () => {
    const { call, groups, ends } = heldCalls();
    const { add, idle } = gathering(call, several);
    const first = add('a');
    await expect.poll(() => groups.length).toBe(1);
    const rest = ['b', 'c', 'd'].map(add);
    expect(groups).toEqual([['a']]);
    ends[0]?.succeed();
    expect(await first).toBe('A');
    await expect.poll(() => groups.length).toBe(2);
    ends[1]?.succeed();
    expect(await Promise.all(rest)).toEqual(['B', 'C', 'D']);
    await idle();
    expect(groups).toEqual([['a'], ['b', 'c', 'd']]);
  });

  test('after it was idle it begins anew', async () => {
    const { call, groups } = quickCalls();
    const { add, idle } = gathering(call, several);
    await add('a');
    await idle();
    await add('b');
    expect(groups).toEqual([['a'], ['b']]);
  });

  test('a call takes the maximum at most; the others follow', async () => {
    const { call, groups } = quickCalls();
    const { add } = gathering(call, { ...several, maximum: 2 });
    expect(await Promise.all(['a', 'b', 'c', 'd', 'e'].map(add))).toEqual([
      'A',
      'B',
      'C',
      'D',
      'E',
    ]);
    expect(groups).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  test('two calls begin at least so far apart as is asked for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { call, groups } = quickCalls();
    const { add } = gathering(call, { ...several, maximum: 1, everyMs: 20 });
    const all = Promise.all(['a', 'b', 'c'].map(add));
    await vi.advanceTimersByTimeAsync(19);
    expect(groups).toEqual([['a']]);
    await vi.advanceTimersByTimeAsync(1);
    expect(groups).toEqual([['a'], ['b']]);
    await vi.advanceTimersByTimeAsync(19);
    expect(groups).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    await all;
    expect(groups).toEqual([['a'], ['b'], ['c']]);
  });

  test('or as soon as enough items wait', async () => {
    const { call, groups } = quickCalls();
    const { add } = gathering(call, { ...several, everyMs: 60_000, enough: 3 });
    await add('a');
    const waits = ['b', 'c'].map(add);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(groups).toEqual([['a']]);
    await Promise.all([...waits, add('d')]);
    await Promise.all(['e', 'f', 'g', 'h'].map(add));
    expect(groups).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f', 'g', 'h']]);
  });
});

describe('the order', () => {
  const byFirstLetter = (a: string, b: string) => a.charCodeAt(0) - b.charCodeAt(0);

  test('is that in which they came', async () => {
    const { call, groups } = quickCalls();
    const { add } = gathering(call, several);
    await Promise.all(['c', 'a', 'b'].map(add));
    expect(groups).toEqual([['c', 'a', 'b']]);
  });

  test('can be given: each still gets its own result, and equals keep theirs', async () => {
    const { call, groups } = quickCalls();
    const { add } = gathering(call, { ...several, maximum: 3, order: byFirstLetter });
    const items = ['b1', 'c1', 'a1', 'b2', 'a2', 'b3'];
    expect(await Promise.all(items.map(add))).toEqual(items.map((item) => item.toUpperCase()));
    expect(groups).toEqual([
      ['a1', 'a2', 'b1'],
      ['b2', 'b3', 'c1'],
    ]);
  });

  test('an urgent one that comes late goes before those that wait already', async () => {
    const { call, groups, ends } = heldCalls();
    const { add } = gathering(call, { ...several, maximum: 1, order: byFirstLetter });
    const all = [add('z')];
    await expect.poll(() => groups.length).toBe(1);
    all.push(add('b'), add('a'));
    for (let ended = 0; ended < 3; ended++) {
      await expect.poll(() => ends.length).toBe(ended + 1);
      ends[ended]?.succeed();
    }
    await Promise.all(all);
    expect(groups).toEqual([['z'], ['a'], ['b']]);
  });
});

describe('a call that fails', () => {
  test('for a passing reason rejects the items of its own group, and no others', async () => {
    const { call, groups, ends } = heldCalls();
    const { add } = gathering(call, { ...several, maximum: 2 });
    const waits = Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(add));
    for (let ended = 0; ended < 3; ended++) {
      await expect.poll(() => ends.length).toBe(ended + 1);
      if (ended === 1) ends[ended]?.fail(away);
      else ends[ended]?.succeed();
    }
    expect(await waits).toEqual([
      { status: 'fulfilled', value: 'A' },
      { status: 'fulfilled', value: 'B' },
      { status: 'rejected', reason: away },
      { status: 'rejected', reason: away },
      { status: 'fulfilled', value: 'E' },
    ]);
    expect(groups).toHaveLength(3);
  });

  test('because of one bad item rejects that item alone: the others are called one by one', async () => {
    const bad = new Error('NUL in a text');
    const groups: string[][] = [];
    const { add } = gathering((items) => {
      groups.push([...items]);
      return items.includes('bad') ? Promise.reject(bad) : Promise.resolve(items);
    }, several);
    expect(await Promise.allSettled(['a', 'bad', 'c'].map(add))).toEqual([
      { status: 'fulfilled', value: 'a' },
      { status: 'rejected', reason: bad },
      { status: 'fulfilled', value: 'c' },
    ]);
    expect(groups).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
  });

  test('with a single item is not called again', async () => {
    let calls = 0;
    const { add } = gathering(() => {
      calls += 1;
      return Promise.reject(new Error('bad'));
    }, several);
    await expect(add('a')).rejects.toThrow('bad');
    expect(calls).toBe(1);
  });

  test('by throwing rejects as well, and the next is asked again', async () => {
    let calls = 0;
    const { add } = gathering((items) => {
      calls += 1;
      if (calls === 1) throw new Error('not even a promise');
      return Promise.resolve(items);
    }, several);
    await expect(add('a')).rejects.toThrow('not even a promise');
    expect(await add('b')).toBe('b');
  });
});

describe('idle', () => {
  test('is so at once where nothing was added', async () => {
    await gather(quickCalls().call, several).idle();
  });

  test('waits for everything, also for what is added meanwhile, and for what fails', async () => {
    const { call, ends } = heldCalls();
    const { add, idle } = gathering(call, { ...several, maximum: 1 });
    const waits = Promise.allSettled([add('a'), add('b')]);
    let isIdle = false;
    const idled = idle().then(() => (isIdle = true));
    await expect.poll(() => ends.length).toBe(1);
    ends[0]?.succeed();
    const late = add('c');
    await expect.poll(() => ends.length).toBe(2);
    ends[1]?.fail(away);
    await expect.poll(() => ends.length).toBe(3);
    expect(isIdle).toBe(false);
    ends[2]?.succeed();
    await idled;
    expect(await late).toBe('C');
    expect((await waits).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});
