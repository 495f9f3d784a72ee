/** Taking a room back: a producer has the queue and no ledger. */
import { ReaperError } from '../errors.js';
import { jobName, lanes, readDestruction } from '../queue/job.js';
import type { OpenQueue } from '../queue/open.js';
import { refusalReason } from '../queue/refusal.js';
import { takeBackId, toTakeBack } from '../queue/take-back.js';

export type Cancelled =
  | {
      roomId: string;
      /**
       * `cancelled`: it was not in a worker's hand, and none will send it.
       *
       * `in_hand`: a worker has it, or its answer. A request that is under way may destroy the room;
       * as soon as a worker has read the note no other is sent.
       */
      status: 'cancelled' | 'in_hand';
      /** The destruction that was taken back. */
      destructionId: string;
    }
  | {
      roomId: string;
      /** Nothing waits for the room: it was not asked for, or was cancelled, or has ended, maybe a moment ago. */
      status: 'not_pending';
    };

/**
 * A note is due by itself after so long, in milliseconds, where its producer came no further:
 * longer than its next commands take. Earlier, a worker would do what the producer is about to.
 */
const noteDelayMs = 15_000;

/**
 * First the note, then the job: stopped between the two, a worker does the rest. The ledger must
 * know also of a room that no worker ever had: a batch may wait for its end.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue does not answer.
 */
export async function cancelRoom(
  { queue, takeOff }: Pick<OpenQueue, 'queue' | 'takeOff'>,
  roomId: string,
): Promise<Cancelled> {
  try {
    const id = await queue.getDeduplicationJobId(roomId);
    const job = id === null ? undefined : await queue.getJob(id);
    const destruction = job && readDestruction(job.id, job.data, job.timestamp);
    if (destruction?.roomId !== roomId) return { roomId, status: 'not_pending' };
    const note = await queue.add(jobName, toTakeBack(destruction), {
      jobId: takeBackId(destruction.id),
      priority: lanes.urgent,
      delay: noteDelayMs,
    });
    const place = await takeOff(destruction.id);
    if (place === 'gone') return { roomId, status: 'not_pending' };
    // Where it fails, the note is due a little later.
    await note.promote().catch(() => undefined);
    const status = place === 'taken' ? 'cancelled' : 'in_hand';
    return { roomId, status, destructionId: destruction.id };
  } catch (error) {
    throw new ReaperError(
      'UNAVAILABLE',
      `the queue did not take the cancellation: ${refusalReason(error)}; until it answers the room may be destroyed, so ask again`,
      { cause: error },
    );
  }
}
