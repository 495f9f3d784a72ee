import { expect, test } from 'vitest';
import type { ServerReport } from '../support/counting-server.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import type { Stall } from '../support/stalls.js';

/** Arrivals at a server that started at the epoch. */
function reportOf(arrivals: readonly number[], stalls: Stall[] = []): ServerReport {
  const requests = arrivals.map((atMs) => ({ atMs, requestId: `Id-${atMs}` }));
  return { requests, stalls, startedAtMs: 0 } as unknown as ServerReport;
}

test.each([
  ['kept', [10, 500, 1_010], []],
  ['kept although the server stood still', [10, 500, 1_010], [{ fromMs: 0, untilMs: 11 }]],
  [
    'that only looks broken because the server stood still',
    [30, 500, 1_020],
    [{ fromMs: 5, untilMs: 31 }],
  ],
])('a quota of two %s passes', (_what, arrivals, stalls) => {
  assertQuotaKept(reportOf(arrivals, stalls), 2);
});

test.each([
  ['broken', [10, 500, 1_000], []],
  ['broken whatever the server missed', [30, 500, 1_000], [{ fromMs: 10, untilMs: 31 }]],
  [
    'broken, and the server stood still at another time',
    [10, 500, 1_000],
    [{ fromMs: 400, untilMs: 499 }],
  ],
])('a quota of two %s fails', (_what, arrivals, stalls) => {
  expect(() => assertQuotaKept(reportOf(arrivals, stalls), 2)).toThrow(/windows of 2/);
});

test('slots that lie too close fail whenever their requests arrived', () => {
  const report = reportOf([10, 1_500, 3_000]);
  assertQuotaKept(report, 2, [0, 500, 1_020]);
  expect(() => assertQuotaKept(report, 2, [0, 500, 1_019])).toThrow(/windows of 2/);
});
