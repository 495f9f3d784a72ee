import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createOutageWatch } from '../../src/worker/outage-watch.js';

/** Its ledger knows of nothing. */
function openWatch() {
  return createOutageWatch({
    database: { query: () => Promise.resolve([]), close: () => Promise.resolve() },
    lineId: 'line',
    log: pino({ level: 'silent' }),
    onAlone: () => undefined,
    onOutage: () => undefined,
  });
}

const cause = { code: undefined, reason: 'no answer in time' };
const failed = (watch: ReturnType<typeof openWatch>, room: number, sentAtMs: number) =>
  watch.failed({ destructionId: `room-${room}`, fresh: true, unsent: false, sentAtMs }, cause);

test('rooms that hang while requests sent after theirs are answered are no evidence of an outage', () => {
  const watch = openWatch();
  for (let room = 0; room < 100; room++) {
    watch.worked({ sentAtMs: 1_000 + room, endedAtMs: 1_100 + room });
    expect(failed(watch, room, 900 + room)).toBe(false);
  }
  expect(watch.suspected).toBe(false);
});

test('what was sent after the last that was answered is', () => {
  const watch = openWatch();
  watch.worked({ sentAtMs: 1_000, endedAtMs: 1_100 });
  // An answer that overtook others says nothing of what came after it.
  watch.worked({ sentAtMs: 900, endedAtMs: 1_200 });
  for (let room = 0; room < 10; room++) {
    expect(watch.suspected).toBe(false);
    expect(failed(watch, room, 1_001 + room)).toBe(true);
  }
  expect(watch.suspected).toBe(true);
});
