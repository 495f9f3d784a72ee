import { MAX_RECORD_BYTES } from '../entry.js';
import type { RawRecord } from '../record-splitter.js';
import { shown } from '../shown.js';

/** Takes a list's bytes in chunks of any cut and adds its entries to the batches. */
export interface FormatReader {
  push(chunk: Buffer): void;
  /** The list is over. */
  end(): void;
}

/** What is wrong with a record that was not kept whole. */
export function tooLongProblem(thing: string, record: RawRecord): string {
  const start = shown(record.bytes.subarray(record.start, record.end));
  return `${thing} must be at most ${MAX_RECORD_BYTES} bytes, got ${record.length} bytes that begin with ${start}`;
}
