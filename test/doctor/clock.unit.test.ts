import { describe, expect, test } from 'vitest';
import { judgeClock, offsetOfDate } from '../../src/doctor/clock.js';

const at = Date.parse('2026-11-23T02:31:07Z');
const header = 'Mon, 23 Nov 2026 02:31:07 GMT';

describe('the difference that a Date header leaves possible', () => {
  test.each<[rule: string, sentAtMs: number, receivedAtMs: number, offsetMs: number]>([
    ['is none at the second itself', at, at + 40, 0],
    ['is none at its very end', at + 960, at + 1_000, 0],
    ['is none where the reply took the second with it', at - 100, at + 5, 0],
    [
      'counts from the end of the second where this machine is ahead',
      at + 91_000,
      at + 91_040,
      -90_000,
    ],
    ['counts from its start where this machine is behind', at - 90_040, at - 90_000, 90_000],
  ])('%s', (_rule, sentAtMs, receivedAtMs, offsetMs) => {
    expect(offsetOfDate(header, sentAtMs, receivedAtMs)).toBe(offsetMs);
  });

  test('is not known without one, or with rubbish', () => {
    expect(offsetOfDate(undefined, at, at)).toBeUndefined();
    expect(offsetOfDate('soon', at, at)).toBeUndefined();
  });
});

test.each<[offsetMs: number, level: string, text: RegExp]>([
  [0, 'ok', /agrees/],
  [1_000, 'ok', /agrees/],
  [-1_000, 'ok', /agrees/],
  [1_001, 'warning', /1\.0 s behind/],
  [-60_000, 'warning', /60\.0 s ahead of/],
  [60_001, 'problem', /60\.0 s behind/],
  [-90_000, 'problem', /90\.0 s ahead of/],
])('%d ms against the ledger: %s', (ledgerOffsetMs, level, text) => {
  const [finding] = judgeClock({ ledgerOffsetMs, endpointOffsetMs: 0 });
  expect(finding).toMatchObject({ level, text: expect.stringMatching(text) as string });
});

test('what could not be asked is said to be so', () => {
  expect(judgeClock({ ledgerOffsetMs: undefined, endpointOffsetMs: undefined })).toMatchObject([
    { level: 'warning', text: 'not compared with the clock of the ledger' },
    { level: 'warning', text: 'not compared with the clock of the API' },
  ]);
});
