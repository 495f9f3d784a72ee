import type { BatchProgress } from '../operations/find-batch.js';
import { printable } from '../redact.js';
import { say, type Io } from './io.js';

/** Says which of several batches is meant. */
export function sayNewest(io: Io): (newest: BatchProgress) => void {
  return ({ id, name = '', createdAtMs }) => {
    const since = new Date(createdAtMs).toISOString();
    say(io, `several batches are called ${printable(name)}; this is the newest, ${id} of ${since}`);
  };
}
