import { cancelledEnd } from '../ledger/cancel.js';
import type { Destruction } from '../destruction.js';
import { endUnsent } from './end.js';
import type { WorkerContext } from './context.js';
import type { RunEnd } from './settle.js';

/**
 * A producer took this destruction back (src/queue/take-back.ts). From the mark on nothing is sent
 * for it. Whoever can write a note can take the job off the queue as well, so it is believed.
 *
 * @returns undefined where another job ends it: a worker has that in hand.
 */
export async function endTakenBack(
  destruction: Destruction,
  context: WorkerContext,
): Promise<RunEnd | undefined> {
  const { takeBack } = context;
  const { id, roomId } = destruction;
  await takeBack.mark(id);
  if ((await takeBack.takeOff(id)) === 'in_hand') {
    // Asked for again, the room must not join what ends without being sent.
    await takeBack.freeRoom(roomId, id);
    return undefined;
  }
  const { outcome, reason } = cancelledEnd(await context.sentBefore(id));
  return endUnsent(destruction, outcome, reason, context);
}
