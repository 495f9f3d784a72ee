import { expect, test } from 'vitest';
import {
  isChosen,
  readCodes,
  readEnds,
  readOutcomes,
  reportable,
} from '../../src/operations/ends.js';

test('outcomes and codes come one by one, or as a list, and each counts once', () => {
  const outcomes = ['failed,expired', 'open', 'failed'];
  expect(readOutcomes('outcome', outcomes, reportable)).toEqual(['failed', 'expired', 'open']);
  expect(readCodes('code', ['100001', '5,100001'])).toEqual([100001, 5]);
  expect(readOutcomes('outcome', undefined, reportable)).toBeUndefined();
  expect(readCodes('code', undefined)).toBeUndefined();
});

test.each(['', 'Failed', 'failed,', 'failed expired', 'gone', '\u001b[2J'])(
  '%j is no outcome, and the error has those that are',
  (text) => {
    const read = () => readOutcomes('--outcome', [text], reportable, '; why');
    expect(read).toThrow(/^--outcome must be destroyed, .*, cancelled, open, got "[ -~]*"; why$/);
  },
);

test.each(['', '-1', '1e5', '100001,', '1234567890', 'all'])('%j is no code', (text) => {
  expect(() => readCodes('code', [text])).toThrow(
    /^code must be an ErrorCode such as 100001, got "/,
  );
});

test('what has not ended has no code, so both cannot be asked for', () => {
  const names = { outcome: '--outcome', code: '--code' };
  expect(readEnds(names, {})).toBeUndefined();
  expect(readEnds(names, { code: ['5'] })).toEqual({ outcomes: undefined, codes: [5] });
  expect(() => readEnds(names, { outcome: ['failed,open'], code: ['5'] })).toThrow(
    '--outcome must not be open where --code is given: what has not ended has no code; leave out one',
  );
  const open = { outcome: undefined, errorCode: 5 };
  expect(isChosen({ outcomes: undefined, codes: [5] }, open)).toBe(false);
  expect(isChosen({ outcomes: undefined, codes: [5] }, { ...open, outcome: 'failed' })).toBe(true);
});
