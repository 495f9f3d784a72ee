import { expect } from 'vitest';

/**
 * At least 97 % of the quota is used. Of all that is measured here only this is lowered by
 * other load on the machine: the tests are run again for it, and for nothing else
 * (vitest.config.ts knows its message).
 *
 * @param perSecond - requests a second while there was work for more.
 */
export function assertQuotaUsed(perSecond: number, quota: number): void {
  const used = ((perSecond / quota) * 100).toFixed(1);
  expect(perSecond, `${used} % of the quota was used`).toBeGreaterThanOrEqual(0.97 * quota);
}
