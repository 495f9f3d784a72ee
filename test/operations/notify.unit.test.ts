import { expect, test } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { pauseBefore, readRetryAfter, signWebhook } from '../../src/operations/notify.js';

const hour = 3_600_000;

test('pauses double from five seconds to an hour, and end with the day of the event', () => {
  const pauses = [1, 2, 3, 10, 11, 40].map((tries) => pauseBefore({ tries, ageMs: 0 }));
  expect(pauses).toEqual([5_000, 10_000, 20_000, 2_560_000, hour, hour]);
  expect(pauseBefore({ tries: 30, ageMs: 23 * hour })).toBe(hour);
  expect(pauseBefore({ tries: 30, ageMs: 23 * hour + 1 })).toBeUndefined();
});

test('a receiver that says when to come again is heard, where that is later', () => {
  expect(pauseBefore({ tries: 1, ageMs: 0 }, 120_000)).toBe(120_000);
  expect(pauseBefore({ tries: 1, ageMs: 0 }, 1_000)).toBe(5_000);
  expect(pauseBefore({ tries: 1, ageMs: 0 }, 25 * hour)).toBeUndefined();
});

test.each<[text: string | null, ms: number | undefined]>([
  ['120', 120_000],
  ['Mon, 30 Nov 2026 10:01:00 GMT', 60_000],
  ['Mon, 30 Nov 2026 09:00:00 GMT', 0],
  ['soon', undefined],
  ['-5', undefined],
  ['', undefined],
  [null, undefined],
])('Retry-After %j is %j ms', (text, ms) => {
  expect(readRetryAfter(text, Date.UTC(2026, 10, 30, 10))).toBe(ms);
});

/** Of the specification: https://github.com/standard-webhooks/standard-webhooks */
test('a signature is the one that stock receivers compute', () => {
  const secret = 'whsec_plJ3nmyCDGBKInavdOK15jsl';
  const body = '{"event_type":"ping","data":{"success":true}}';
  const signature = signWebhook(secret, 'msg_loFOjxBNrRLzqYUf', 1_731_705_121, body);
  expect(signature).toBe('v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=');
  const now = new Date();
  const seconds = Math.floor(now.getTime() / 1_000);
  expect(new Webhook(secret).sign('id', now, body)).toBe(signWebhook(secret, 'id', seconds, body));
});
