/** One attempt: connection, slot, request, answer. */
import type { Reservation } from '../ledger/reserve.js';
import type { Destruction } from '../destruction.js';
import type { Answer } from '../tencent/answer.js';
import type { SignedRequest } from '../tencent/client.js';
import { untraced } from '../traces.js';
import type { JobInHand, WorkerContext } from './context.js';

type Granted = Extract<Reservation, { kind: 'granted' }>;

export interface SentAttempt
  extends Omit<Granted, 'kind' | 'slotAtMs'>, Pick<SignedRequest, 'sig' | 'url'> {
  kind: 'sent';
  answer: Answer;
  /** Milliseconds since the epoch, on the database's clock. */
  sentAtMs: number;
  endedAtMs: number;
}

/** The reservation says why there is no attempt. */
export type UnsentAttempt = Exclude<Reservation, Granted>;

/**
 * Sends one attempt at its slot.
 *
 * The connection comes first: a slot granted while the handshake is under way would be
 * wasted. What waits for the slot is a finished request (src/tencent/prepared-request.ts).
 */
export async function sendAttempt(
  destruction: Destruction,
  { lane, fresh }: Pick<JobInHand, 'lane' | 'fresh'>,
  context: WorkerContext,
): Promise<SentAttempt | UnsentAttempt> {
  const { client, limiter, guard, signer, writer, outage, inFlight, unsaved } = context;
  const wish = { ...destruction, lane };
  // The span of the attempt (traces.ts) tells of it.
  const prepare = () => untraced(() => client.prepareDestroy(destruction.roomId));
  let request = prepare();
  let overdue: NodeJS.Timeout | undefined;
  try {
    await request.ready;
    let reservation = await limiter.takeSlot(wish, guard.signal);
    if (!request.isUsable() || request.sig !== signer.current()) {
      // While it waited the connection was closed, or the signature replaced.
      request.abandon();
      request = prepare();
      await request.ready;
      if (
        reservation.kind === 'granted' &&
        limiter.isLate(reservation.slotAtMs, reservation.probe)
      ) {
        reservation = await limiter.takeSlot(
          { ...wish, givenUpSlotMs: reservation.slotAtMs },
          guard.signal,
        );
      }
    }
    if (reservation.kind === 'granted' && context.now() > destruction.notAfterMs) {
      // The deadline passed while it waited for its slot: the room may be a new one by now.
      reservation = { kind: 'expired' };
    }
    if (reservation.kind !== 'granted') {
      // A slot may have been granted and given up before, or its grant lost on the way: nobody
      // must take it for a request whose answer was lost.
      if (!unsaved.has(destruction.id)) await writer.release(destruction.id);
      return reservation;
    }
    inFlight.add(request);
    const { overdueAfterMs } = outage;
    const { slotAtMs, ...granted } = reservation;
    const sentAtMs = limiter.use(slotAtMs);
    overdue = setTimeout(() => {
      outage.failed(
        { destructionId: destruction.id, fresh, unsent: false, sentAtMs },
        { code: undefined, reason: `no answer for ${overdueAfterMs / 1000} s` },
        overdueAfterMs,
      );
    }, overdueAfterMs);
    const answer = await request.release(() => limiter.written(slotAtMs));
    return {
      ...granted,
      kind: 'sent',
      answer,
      sig: request.sig,
      url: request.url,
      sentAtMs,
      endedAtMs: context.now(),
    };
  } finally {
    clearTimeout(overdue);
    inFlight.delete(request);
    request.abandon();
  }
}
