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

  test('whatever stands there, reading never fails', () => {
    fc.assert(fc.property(fc.string(), (json) => void readUnsaved(json, id)));
    fc.assert(fc.property(fc.json(), (json) => void readUnsaved(json, id)));
  });
});
