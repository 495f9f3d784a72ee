import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { RecordItem } from '../../src/ledger/record.js';
import {
  createUnsavedResults,
  readUnsaved,
  writeUnsaved,
} from '../../src/worker/unsaved-result.js';
import { createSeal } from '../../src/worker/seal.js';
import { destruction, id, madeUpJob, seal } from './made-up.js';

const item: RecordItem = {
  destructionId: id,
  attempt: {
    attempt: 2,
    sentAtMs: 1_795_420_000_000.25,
    endedAtMs: 1_795_420_000_040.5,
    httpStatus: 200,
    errorCode: 0,
    verdict: 'destroyed',
    reason: 'destroyed',
    mayHaveActed: false,
    requestId: 'Id-1',
    rawAnswer: '{"ErrorCode":0,',
  },
  end: {
    outcome: 'destroyed',
    errorCode: 0,
    errorInfo: undefined,
    requestId: 'Id-1',
    statistics: {
      totalViewers: 1n,
      totalGiftsSent: 2n,
      totalGiftCoins: 9_007_199_254_740_993n,
      totalUniqueGiftSenders: 4n,
      totalLikesReceived: 5n,
    },
  },
};

describe('a result kept in a job', () => {
  test('comes back as it was, statistics beyond 2⁵³ included', () => {
    expect(readUnsaved(writeUnsaved(item), id)).toEqual(item);
  });

  test('of another destruction is not taken', () => {
    expect(readUnsaved(writeUnsaved(item), id.replace('0', '1'))).toBeUndefined();
  });

  test.each(['', 'null', '[]', '{}', '{"destructionId":1}', `{"destructionId":"${id}","end":{}}`])(
    'that is not one, %j, is none',
    (json) => {
      const read = readUnsaved(json, id);
      expect(read?.end).toBeUndefined();
      expect(read?.attempt).toBeUndefined();
    },
  );

  const stored = JSON.parse(writeUnsaved(item)) as Record<'attempt' | 'end', object>;
  test.each<[rule: string, attempt: object, end: object]>([
    ['a code beyond its column', { errorCode: 2 ** 31 }, {}],
    ['a status beyond its column', { httpStatus: -(2 ** 31) - 1 }, {}],
    ['an attempt beyond its column', { attempt: 2 ** 31 }, {}],
    ['a time that no calendar has', { endedAtMs: 1e300 }, {}],
    ['a NUL in its reason', { reason: 'a\0' }, {}],
    ['a NUL in its ErrorInfo', {}, { errorInfo: '\0' }],
    ['an outcome that there is not', {}, { outcome: 'gone' }],
    [
      'statistics beyond a bigint',
      {},
      { statistics: { ...item.end?.statistics, totalViewers: String(2n ** 63n) } },
    ],
    ['a success without statistics', {}, { statistics: undefined }],
  ])(
    'with %s is none: the ledger would refuse it for ever, or say what is not so',
    (_rule, attempt, end) => {
      const asText = (value: object) =>
        JSON.stringify(value, (_key, each: unknown) =>
          typeof each === 'bigint' ? each.toString() : each,
        );
      const forged = {
        destructionId: id,
        attempt: { ...stored.attempt, ...attempt },
        end: { ...stored.end, ...end },
      };
      expect(
        readUnsaved(asText({ ...forged, attempt: stored.attempt, end: stored.end }), id),
      ).toEqual(item);
      expect(readUnsaved(asText(forged), id)).toBeUndefined();
    },
  );

  test('statistics beside another outcome are left out', () => {
    const forged = { ...stored, destructionId: id, end: { ...stored.end, outcome: 'rejected' } };
    expect(readUnsaved(JSON.stringify(forged), id)?.end).toMatchObject({
      outcome: 'rejected',
      statistics: undefined,
    });
  });

  test('whatever stands there, reading never fails', () => {
    fc.assert(fc.property(fc.string(), (json) => void readUnsaved(json, id)));
    fc.assert(fc.property(fc.string(), (sealed) => void seal.open(sealed)));
    fc.assert(fc.property(fc.json(), (json) => void readUnsaved(json, id)));
  });
});

describe('saving a result', () => {
  afterEach(() => vi.useRealTimers());

  /** A ledger that takes a result when it is told to. */
  function openResults() {
    const saved: RecordItem[] = [];
    let take: (outcome: 'destroyed') => void = () => undefined;
    let refuse: (error: Error) => void = () => undefined;
    const forged: string[] = [];
    const record = (each: RecordItem) => {
      saved.push(each);
      return new Promise<'destroyed'>((resolve, reject) => {
        take = resolve;
        refuse = reject;
      });
    };
    const results = createUnsavedResults({ record }, seal, (each) => forged.push(each));
    return {
      ...{ results, forged },
      saved,
      take: () => take('destroyed'),
      refuse: () => refuse(new Error('away')),
    };
  }

  test('that the ledger takes soon leaves the job alone', async () => {
    const { results, take } = openResults();
    const { job, done } = madeUpJob();
    const saving = results.save(item, job);
    expect(results.has(id)).toBe(true);
    take();
    expect(await saving).toEqual({ kind: 'saved', outcome: 'destroyed' });
    expect(results.has(id)).toBe(false);
    expect(done).toEqual([]);
  });

  test('that takes half a second is kept in the job meanwhile, once, and taken out of it then', async () => {
    vi.useFakeTimers();
    const { results, take } = openResults();
    const { job, done } = madeUpJob();
    const saving = results.save(item, job);
    await vi.advanceTimersByTimeAsync(499);
    expect(done).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(done).toEqual(['with a result']);
    expect(readUnsaved(seal.open(job.data.u ?? '') ?? '', id)).toEqual(item);
    take();
    await saving;
    expect(done).toEqual(['with a result', 'without a result']);
    expect(job.data).not.toHaveProperty('u');
  });

  test('is kept in the job as soon as the queue is back', async () => {
    vi.useFakeTimers();
    const { results, take } = openResults();
    const { job, done } = madeUpJob({ queueIsAway: true });
    const saving = results.save(item, job);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(done).toEqual(['with a result', 'with a result', 'with a result']);
    take();
    await saving;
    // It never was in there.
    expect(done).not.toContain('without a result');
  });

  test('that the ledger does not take stays unsaved: what it did must not be forgotten', async () => {
    const { results, refuse } = openResults();
    const saving = results.save(item, madeUpJob().job);
    refuse();
    expect(await saving).toMatchObject({ kind: 'unsaved', item });
    expect(results.has(id)).toBe(true);
  });

  test('of an earlier run is saved with its room, and then taken out of its job', async () => {
    const { results, saved, take } = openResults();
    const { job, done } = madeUpJob();
    const saving = results.saveEarlier(
      { ...destruction, unsavedResult: seal.seal(writeUnsaved(item)) },
      job,
    );
    expect(done).toEqual([]);
    take();
    expect(await saving).toBe('destroyed');
    expect(saved[0]).toMatchObject({ ...item, destruction: { roomId: 'room-1' } });
    expect(done).toEqual(['without a result']);
  });

  const otherKey = createSeal({ secretKey: 'another key', sdkAppId: 1_400_000_000 });
  const otherApp = createSeal({ secretKey: 'a key', sdkAppId: 1_400_000_001 });
  test.each([
    undefined,
    'made up',
    writeUnsaved(item),
    otherKey.seal(writeUnsaved(item)),
    otherApp.seal(writeUnsaved(item)),
    seal.seal(writeUnsaved(item)).replace('9007199254740993', '1'),
    seal.seal(writeUnsaved(item).replace(id, id.replace('0', '1'))),
  ])(
    'of an earlier run that is %j is none, and is told unless there is nothing',
    async (unsavedResult) => {
      const { results, saved, forged } = openResults();
      const made = unsavedResult === undefined ? destruction : { ...destruction, unsavedResult };
      expect(await results.saveEarlier(made, madeUpJob().job)).toBeUndefined();
      expect(saved).toEqual([]);
      expect(forged).toEqual(unsavedResult === undefined ? [] : [id]);
    },
  );
});
