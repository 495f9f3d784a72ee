import { describe, expect, test } from 'vitest';
import type { Reservation } from '../../src/ledger/reserve.js';
import type { Answer } from '../../src/tencent/answer.js';
import type { WorkerContext } from '../../src/worker/context.js';
import { sendAttempt } from '../../src/worker/send.js';

const destruction = {
  id: '01a2076b-b5a7-74a2-8486-dbbc21ed06d7',
  roomId: 'room-1',
  batchId: undefined,
  requestedAtMs: 0,
  notAfterMs: 10_000,
};
const granted: Reservation = {
  kind: 'granted',
  attempt: 1,
  slotAtMs: 5_000,
  mayHaveActedBefore: false,
  probe: undefined,
};
const gone: Answer = {
  kind: 'reply',
  httpStatus: 200,
  errorCode: 100004,
  errorInfo: '',
  requestId: undefined,
  statistics: undefined,
};

/** A context whose parts tell what was done to them. */
function contextOf(options: {
  nowMs: number;
  reservations?: Reservation[];
  unusable?: number;
  unsaved?: boolean;
}) {
  const done: string[] = [];
  const sig = { text: 'sig', renewed: false, proven: true };
  const reservations = options.reservations ?? [granted];
  let unusable = options.unusable ?? 0;
  const context = {
    now: () => options.nowMs,
    client: {
      prepareDestroy: () => {
        done.push('prepare');
        const usable = unusable-- <= 0;
        return {
          sig,
          ready: Promise.resolve(),
          isUsable: () => usable,
          readOnceMore: () => {
            done.push('read');
            return Promise.resolve();
          },
          release: (onWritten: () => void) => {
            done.push('send');
            onWritten();
            return Promise.resolve(gone);
          },
          abandon: () => done.push('abandon'),
        };
      },
    },
    limiter: {
      async takeSlot(_wish: unknown, _signal: unknown, atSlot: () => Promise<void>) {
        done.push('slot');
        const reservation = reservations.shift();
        if (reservation?.kind === 'granted') await atSlot();
        return reservation;
      },
      written: () => done.push('written'),
    },
    writer: {
      release: () => {
        done.push('take back');
        return Promise.resolve();
      },
    },
    guard: { signal: new AbortController().signal },
    outage: { overdueAfterMs: 4_000, failed: () => undefined },
    signer: { current: () => sig },
    inFlight: new Set(),
    unsaved: { has: () => options.unsaved ?? false },
  } as unknown as WorkerContext;
  return { context, done };
}

describe('an attempt', () => {
  test('has its connection before it asks for a slot, reads it once more at it, and is sent', async () => {
    const { context, done } = contextOf({ nowMs: 5_000 });
    expect(await sendAttempt(destruction, { lane: 4, fresh: true }, context)).toMatchObject({
      kind: 'sent',
      attempt: 1,
    });
    expect(done).toEqual(['prepare', 'slot', 'read', 'send', 'written', 'abandon']);
  });

  test('whose deadline passed while it waited for its slot is not sent, and leaves no row', async () => {
    const { context, done } = contextOf({ nowMs: 10_001 });
    expect(await sendAttempt(destruction, { lane: 4, fresh: true }, context)).toEqual({
      kind: 'expired',
    });
    expect(done).toEqual(['prepare', 'slot', 'read', 'abandon', 'take back']);
  });

  test('without a slot is not sent, and leaves no row of one that it had before', async () => {
    const { context, done } = contextOf({ nowMs: 0, reservations: [{ kind: 'expired' }] });
    expect(await sendAttempt(destruction, { lane: 4, fresh: true }, context)).toEqual({
      kind: 'expired',
    });
    expect(done).toEqual(['prepare', 'slot', 'abandon', 'take back']);
  });

  test('with a request that was sent and is not saved yet keeps the row of that', async () => {
    const { context, done } = contextOf({
      nowMs: 0,
      reservations: [{ kind: 'expired' }],
      unsaved: true,
    });
    await sendAttempt(destruction, { lane: 4, fresh: true }, context);
    expect(done).toEqual(['prepare', 'slot', 'abandon']);
  });

  test('whose connection was closed while it waited gets another, within the slot', async () => {
    const { context, done } = contextOf({ nowMs: 5_000, unusable: 1 });
    expect(await sendAttempt(destruction, { lane: 4, fresh: true }, context)).toMatchObject({
      kind: 'sent',
    });
    expect(done).toEqual([
      'prepare',
      'slot',
      'abandon',
      'prepare',
      'read',
      'send',
      'written',
      'abandon',
    ]);
  });
});
