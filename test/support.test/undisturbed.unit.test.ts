import { describe, expect, test } from 'vitest';
import { assertQuotaKept, undisturbed } from '../pacing/undisturbed.js';
import type { ServerReport } from '../support/counting-server.js';
import type { Stall } from '../support/stalls.js';

/** Arrivals at a server that started at the epoch. */
function reportOf(arrivals: readonly number[], stalls: Stall[] = []): ServerReport {
  const requests = arrivals.map((atMs) => ({ atMs, requestId: `Id-${atMs}` }));
  return { requests, stalls, startedAtMs: 0 } as unknown as ServerReport;
}

describe('a quota of two', () => {
  test.each([
    ['kept', [10, 500, 1_010], []],
    ['kept although the server stood still', [10, 500, 1_010], [{ fromMs: 0, untilMs: 11 }]],
  ])('%s passes', (_what, arrivals, stalls) => {
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
  ])('%s fails, and is not measured again', (_what, arrivals, stalls) => {
    expect(() => assertQuotaKept(reportOf(arrivals, stalls), 2)).toThrow(/windows of 2/);
  });

  test('that only looks broken because the server stood still is measured again', () => {
    const report = reportOf([30, 500, 1_020], [{ fromMs: 5, untilMs: 31 }]);
    expect(() => assertQuotaKept(report, 2)).toThrow(/the machine stood still for 26 ms/);
  });
});

test('a time that is missed is measured again only where the machine stood still for long', () => {
  const fails = () => expect(1_200).toBeLessThan(1_000);
  const stalls = [{ fromMs: 0, untilMs: 300 }];
  undisturbed([], 250, () => undefined);
  undisturbed(stalls, 250, () => undefined);
  expect(() => undisturbed([], 250, fails)).toThrow(/expected 1200/);
  expect(() => undisturbed(stalls, 300, fails)).toThrow(/expected 1200/);
  expect(() => undisturbed(stalls, 250, fails)).toThrow(/the machine stood still for 300 ms/);
});
