import { expect } from 'vitest';

/**
 * At least 97 % of the quota is used. Other load on the machine lowers this: the test is run again
 * for it (vitest.config.ts knows its message).
 *
 * @param perSecond - requests a second while there was work for more.
 */
export function assertQuotaUsed(perSecond: number, quota: number): void {
  const used = ((perSecond / quota) * 100).toFixed(1);
  expect(perSecond, `${used} % of the quota was used`).toBeGreaterThanOrEqual(0.97 * quota);
}
