/** One request: connection, slot, request, answer. */
import type { Probe } from '../ledger/grant.js';
import type { Reservation } from '../ledger/reserve.js';
import type { Destruction } from '../destruction.js';
import type { AnyReservation, LaneWish, Limiter } from '../limiter/limiter.js';
import type { Answer } from '../tencent/answer.js';
import type { SignedRequest } from '../tencent/client.js';
import { untraced } from '../traces.js';
import type { JobInHand, WorkerContext } from './context.js';
import type { OutageWatch } from './outage-watch.js';

/** A request that was sent, and what came back. */
export interface SentRequest extends Pick<SignedRequest, 'sig' | 'url'> {
  answer: Answer;
  /** Milliseconds since the epoch, on the database's clock. */
  sentAtMs: number;
  endedAtMs: number;
  /** What it tried, where its line was stopped or in an outage. */
  probe: Probe | undefined;
}

/** A line as one worker sends on it: of destroy_room, or of a command that only reads. */
export interface LineInUse<W extends LaneWish, R extends AnyReservation> {
  readonly limiter: Limiter<W, R>;
  readonly outage: OutageWatch;
}

type GrantedOf<R> = Extract<R, { kind: 'granted' }>;
type NotGranted<R> = Exclude<R, { kind: 'granted' }>;

/** What is to be sent. */
interface ToSend<W, E> {
  destructionId: string;
  /** Whether no run of its job failed before (src/worker/context.ts). */
  fresh: boolean;
  wish: W;
  prepare: () => SignedRequest;
  /** Looked at when its slot is there: why it must not be sent any more. */
  unlessNow?: (slotAtMs: number) => E | undefined;
}

/**
 * Sends one request at its slot.
 *
 * The connection comes first: a slot granted while the handshake is under way would be
 * wasted. What waits for the slot is a finished request (src/tencent/prepared-request.ts).
 *
 * @throws what the limiter's `takeSlot` rejects with.
 */
export async function sendAtSlot<W extends LaneWish, R extends AnyReservation, E = never>(
  { limiter, outage }: LineInUse<W, R>,
  { destructionId, fresh, wish, unlessNow, ...toSend }: ToSend<W, E>,
  { guard, signer, inFlight, now }: WorkerContext,
): Promise<
  | { kind: 'sent'; sent: SentRequest; grant: GrantedOf<R> }
  | { kind: 'unsent'; why: NotGranted<R> | E }
> {
  // Spans of their own (traces.ts) tell of requests.
  const prepare = () => untraced(toSend.prepare);
  let request = prepare();
  let overdue: NodeJS.Timeout | undefined;
  try {
    await request.ready;
    const reservation: AnyReservation = await limiter.takeSlot(wish, guard.signal, async () => {
      if (!request.isUsable() || request.sig !== signer.current()) {
        // While it waited the connection was closed, or the signature replaced.
        request.abandon();
        request = prepare();
        await request.ready;
      }
      await request.readOnceMore();
    });
    if (reservation.kind !== 'granted')
      return { kind: 'unsent', why: reservation as NotGranted<R> };
    const { slotAtMs, probe } = reservation;
    const refused = unlessNow?.(slotAtMs);
    if (refused !== undefined) return { kind: 'unsent', why: refused };
    inFlight.add(request);
    const { overdueAfterMs } = outage;
    const sentAtMs = now();
    overdue = setTimeout(() => {
      outage.failed(
        { destructionId, fresh, unsent: false, sentAtMs },
        { code: undefined, reason: `no answer for ${overdueAfterMs / 1000} s` },
        overdueAfterMs,
      );
    }, overdueAfterMs);
    const answer = await request.release(() => limiter.written(slotAtMs));
    const { sig, url } = request;
    return {
      kind: 'sent',
      sent: { answer, sig, url, sentAtMs, endedAtMs: now(), probe },
      grant: reservation as GrantedOf<R>,
    };
  } finally {
    clearTimeout(overdue);
    inFlight.delete(request);
    request.abandon();
  }
}

export interface SentAttempt extends SentRequest {
  kind: 'sent';
  attempt: number;
  mayHaveActedBefore: boolean;
}

/** Why there is no attempt. */
export type UnsentAttempt =
  | NotGranted<Reservation>
  /** The look at the room is too old by now: another one first. Its slot was given up. */
  | { kind: 'look_again'; slotAtMs: number };

/** When a room was looked at, on the database's clock, and for how long that counts; in milliseconds. */
export interface Look {
  atMs: number;
  goodForMs: number;
}

/**
 * Sends one attempt at its slot.
 *
 * @param look - undefined: its room need not be looked at.
 */
export async function sendAttempt(
  destruction: Destruction,
  {
    lane,
    fresh,
    givenUpSlotMs,
  }: Pick<JobInHand, 'lane' | 'fresh'> & { givenUpSlotMs?: number | undefined },
  context: WorkerContext,
  look?: Look,
): Promise<SentAttempt | UnsentAttempt> {
  const wish = { ...destruction, lane, ...(givenUpSlotMs === undefined ? {} : { givenUpSlotMs }) };
  const result = await sendAtSlot(
    context,
    {
      destructionId: destruction.id,
      fresh,
      wish,
      prepare: () => context.client.prepareDestroy(destruction.roomId),
      unlessNow: (slotAtMs): UnsentAttempt | undefined => {
        // The deadline passed while it waited for its slot: the room may be a new one by now.
        if (context.now() > destruction.notAfterMs) return { kind: 'expired' };
        if (look === undefined || context.now() - look.atMs <= look.goodForMs) return undefined;
        return { kind: 'look_again', slotAtMs };
      },
    },
    context,
  );
  if (result.kind === 'unsent') {
    // A slot may have been granted and given up before, or its grant lost on the way: nobody
    // must take it for a request whose answer was lost.
    if (!context.unsaved.has(destruction.id)) await context.writer.release(destruction.id);
    return result.why;
  }
  const { attempt, mayHaveActedBefore } = result.grant;
  return { kind: 'sent', ...result.sent, attempt, mayHaveActedBefore };
}
