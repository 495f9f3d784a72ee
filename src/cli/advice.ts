/** What the command line says of a remedy: an error itself knows of no flag (src/errors.ts). */
import type { Remedy } from '../errors.js';

export const advices: Readonly<Record<Remedy, string>> = {
  run_again: 'run the same command again',
  name_the_format: 'name its format with --format',
  skip_invalid: 'correct it, or leave such lines out with --skip-invalid',
  skip_protected: 'take them out, or leave them out with --skip-protected',
  force: 'add --force to ask all the same',
  list_batches: 'room-reaper status lists them',
  give_the_id: 'give the id',
};
