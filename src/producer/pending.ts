import { ReaperError } from '../errors.js';
import { refusalReason } from '../queue/refusal.js';

/**
 * Reads or changes a pending destruction's job. It may end, or be taken up, at this very
 * moment: then there is nothing to change, and that is no error.
 *
 * @returns what `change` does, or undefined where the job was gone, or in another state.
 * @throws ReaperError `UNAVAILABLE` where the queue could not be asked: the change is not made.
 */
export async function changePending<R>(change: () => Promise<R>): Promise<R | undefined> {
  try {
    return await change();
  } catch (error) {
    // BullMQ's own answers about a job have negative numbers; errors of a connection have not.
    if (typeof (error as { code?: unknown }).code === 'number') return undefined;
    throw queueUnavailable(error);
  }
}

export function queueUnavailable(error: unknown): ReaperError {
  return new ReaperError(
    'UNAVAILABLE',
    `the queue did not take the rooms: ${refusalReason(error)}; ask again then, nothing is added twice`,
    { cause: error },
  );
}
