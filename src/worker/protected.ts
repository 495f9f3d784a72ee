import type { Destruction } from '../destruction.js';
import { endUnsent } from './end.js';
import type { WorkerContext } from './context.js';
import type { RunEnd } from './settle.js';

/**
 * Protected rooms are not destroyed, whoever put them on the queue.
 *
 * @returns undefined where the room is not protected.
 */
export async function endProtected(
  destruction: Destruction,
  context: WorkerContext,
): Promise<RunEnd | undefined> {
  const entry = context.protectedRooms.protects(destruction.roomId);
  if (entry === undefined) return undefined;
  context.log.warn(
    { destructionId: destruction.id, roomId: destruction.roomId, entry },
    'room is protected; not destroyed',
  );
  // Sent before it was protected, it is not one of which "never sent" may be said.
  const outcome = (await context.sentBefore(destruction.id)) ? 'failed' : 'cancelled';
  return endUnsent(destruction, outcome, `protected by ${JSON.stringify(entry)}`, context);
}
