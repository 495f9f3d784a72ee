/**
 * A worker works for as long as its queue belongs to its ledger: that may be changed on purpose
 * under it (`room-reaper migrate --adopt-queue`), and is forgotten where Redis restarts empty.
 */
import { ReaperError } from '../errors.js';

/** How often it is looked at, in milliseconds. */
const lookEveryMs = 60_000;

/**
 * @param look - throws a ReaperError where the queue belongs to another ledger, and marks one that
 *   belongs to none. A store that is away is no trouble here; whatever needs it says so.
 * @param onLost - told once.
 */
export function watchQueue(look: () => Promise<void>, onLost: (reason: ReaperError) => void) {
  let isLooking = false;
  const watching = setInterval(() => {
    // One that does not answer must not be asked by several of them at once.
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => {
        if (!(error instanceof ReaperError)) return;
        clearInterval(watching);
        onLost(error);
      })
      .finally(() => {
        isLooking = false;
      });
  }, lookEveryMs);
  return { stop: () => clearInterval(watching) };
}
