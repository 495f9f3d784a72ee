/** What the command line says of a remedy: an error itself knows of no flag (src/errors.ts). */
import type { ReaperError, Remedy } from '../errors.js';

const advices: Readonly<Record<Remedy, string>> = {
  run_again: 'run the same command again',
  name_the_format: 'name its format with --format',
  skip_invalid: 'correct it, or leave such lines out with --skip-invalid',
  skip_protected: 'take them out, or leave them out with --skip-protected',
  force: 'add --force to ask all the same',
  list_batches: 'room-reaper status lists them',
  give_the_id: 'give the id',
  keep_more: 'keep more, or add --force',
};

/** What went wrong, what to do about it, and what could be meant. */
export function describeError({ message, remedy, candidates }: ReaperError): string {
  const advice = remedy === undefined ? '' : `; ${advices[remedy]}`;
  const shown = candidates.map(
    ({ id, createdAtMs }) => `${id} (${new Date(createdAtMs).toISOString()})`,
  );
  return `${message}${advice}${shown.length > 0 ? `: ${shown.join(', ')}` : ''}`;
}
