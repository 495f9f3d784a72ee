import { MAX_RECORD_BYTES } from './entry.js';

/** Finds where records end. Keeps its state between chunks, so that cuts change nothing. */
export interface RecordBoundary {
  /** Index of the newline that ends the record, from `from` on; -1 when it goes on. */
  findEnd(chunk: Buffer, from: number): number;
  /** Newlines inside the record that has just ended; starts the next record. */
  takeInnerNewlines(): number;
}

/** One record, valid only during the call: its bytes are overwritten afterwards. */
export interface RawRecord {
  /** Holds the record at `start` to `end`, without the line's end; cut when `tooLong`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** First and last physical line, from 1. */
  readonly line: number;
  readonly lastLine: number;
  /** Bytes of the whole record, without its newline. */
  readonly length: number;
  readonly tooLong: boolean;
}

const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts a stream of chunks into records. Of a record that lies over several chunks at most
 * MAX_RECORD_BYTES are kept; the rest of a longer one is counted and dropped, so that a
 * file without line breaks costs no memory. Blank records are left out.
 */
export class RecordSplitter {
  readonly #boundary: RecordBoundary;
  readonly #onRecord: (record: RawRecord) => void;
  readonly #kept = Buffer.allocUnsafe(MAX_RECORD_BYTES);
  #keptLength = 0;
  #recordLength = 0;
  #line = 1;

  constructor(boundary: RecordBoundary, onRecord: (record: RawRecord) => void) {
    this.#boundary = boundary;
    this.#onRecord = onRecord;
  }

  push(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      const end = this.#boundary.findEnd(chunk, from);
      if (end === -1) {
        this.#keep(chunk, from, chunk.length);
        return;
      }
      if (this.#recordLength === 0) {
        this.#emit(chunk, from, end, end - from);
      } else {
        this.#keep(chunk, from, end);
        this.#emitKept();
      }
      from = end + 1;
    }
  }

  /** The list is over: a last line without a newline counts. */
  end(): void {
    if (this.#recordLength > 0) this.#emitKept();
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    this.#keptLength += chunk.copy(this.#kept, this.#keptLength, from, to);
    this.#recordLength += to - from;
  }

  #emitKept(): void {
    this.#emit(this.#kept, 0, this.#keptLength, this.#recordLength);
    this.#keptLength = 0;
    this.#recordLength = 0;
  }

  #emit(bytes: Buffer, start: number, lastByte: number, length: number): void {
    const line = this.#line;
    const lastLine = line + this.#boundary.takeInnerNewlines();
    this.#line = lastLine + 1;
    const tooLong = length > MAX_RECORD_BYTES;
    const withReturn = !tooLong && length > 0 && bytes[lastByte - 1] === CARRIAGE_RETURN;
    const end = withReturn ? lastByte - 1 : lastByte;
    if (end === start) return;
    this.#onRecord({ bytes, start, end, line, lastLine, length, tooLong });
  }
}
