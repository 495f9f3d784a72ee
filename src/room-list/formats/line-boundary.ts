import type { RecordBoundary } from '../record-splitter.js';

const NEWLINE = 0x0a;

/** Every newline ends a record. */
export const lineBoundary: RecordBoundary = {
  findEnd: (chunk, from) => chunk.indexOf(NEWLINE, from),
  takeInnerNewlines: () => 0,
};
