import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordItem } from '../../src/ledger/record.js';
import { readUnsaved, writeUnsaved } from '../../src/worker/unsaved-result.js';

const id = '01a2076b-b5a7-74a2-8486-dbbc21ed06d7';
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
    fc.assert(fc.property(fc.json(), (json) => void readUnsaved(json, id)));
  });
});
