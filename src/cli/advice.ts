/** What the command line says of a remedy: an error itself knows of no flag (src/errors.ts). */
import type { ReaperError, Remedy } from '../errors.js';

/** What makes the embedded database; everything else only uses one that is there. */
export const whatMakesIt = 'the first room-reaper destroy, enqueue or worker makes it';

const advices: Readonly<Record<Remedy, string>> = {
  run_again: 'run the same command again',
  run_again_then: 'then run the same command again',
  run_again_for_the_rest: 'then run the same command again: it adds the rest and nothing twice',
  cancel_again: 'To take back what came after it, run room-reaper cancel again with its id',
  name_the_format: 'name its format with --format',
  skip_invalid: 'Correct it, or leave such lines out with --skip-invalid',
  skip_protected: 'Take them out, or leave them out with --skip-protected',
  force: 'add --force to ask all the same',
  list_batches: 'room-reaper batches lists them',
  give_the_id: 'give the id',
  keep_more: 'keep more, or add --force',
  adopt_queue:
    'If the queue is to go on with this ledger, stop all workers and run `room-reaper migrate --adopt-queue`',
  look_elsewhere: `Run it where your other commands run, or set ROOM_REAPER_DATA_DIR to their directory; ${whatMakesIt}`,
};

/** The sentence of an error, what to do (a part of it, or a sentence of its own), and what could be meant. */
export function describeError({ message, remedy, candidates }: ReaperError): string {
  const advice = remedy === undefined ? '' : advices[remedy];
  const end = advice === '' ? '' : `${/^[A-Z]/.test(advice) ? '. ' : '; '}${advice}`;
  const shown = candidates.map(
    ({ id, createdAtMs }) => `${id} (${new Date(createdAtMs).toISOString()})`,
  );
  return `${message}${end}${shown.length > 0 ? `: ${shown.join(', ')}` : ''}`;
}
