/** From bytes to records: a record is a RoomId, a JSON object or a CSV row with its line breaks. */
import { quoted } from '../redact.js';
import type { RoomListEntry } from './room-list.js';

/** Most bytes of one record that are kept in memory. */
export const maxRecordBytes = 64 * 1024;

/** Takes a list's bytes in chunks of any cut and tells its entries. */
export interface FormatReader {
  push(chunk: Buffer): void;
  /** The list is over. */
  end(): void;
}

export type OnEntry = (entry: RoomListEntry) => void;

/** Finds where records end. Keeps its state between chunks, so that cuts change nothing. */
export interface RecordBoundary {
  /** Index of the newline that ends the record, from `from` on; -1 when it goes on. */
  findEnd(chunk: Buffer, from: number): number;
  /** Newlines inside the record that has just ended; starts the next record. */
  takeInnerNewlines(): number;
}

/** One record, valid only during the call: its bytes are overwritten afterwards. */
export interface RawRecord {
  /** Holds the record at `start` to `end`, without the newline and its CR; cut when `tooLong`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Where it begins and ends, from 1, as editors number the lines of a file. */
  readonly position: number;
  readonly lastPosition: number;
  /** Bytes of the whole record, without its newline. */
  readonly length: number;
  readonly tooLong: boolean;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Every newline ends a record. */
export const newlineBoundary: RecordBoundary = {
  findEnd: (chunk, from) => chunk.indexOf(newline, from),
  takeInnerNewlines: () => 0,
};

/**
 * Cuts a stream of chunks into records. Of a record that lies over several chunks at most
 * `maxRecordBytes` are kept; the rest of a longer one is counted and dropped, so that a
 * file without line breaks costs no memory. Blank records are left out.
 */
export function createRecordSplitter(
  boundary: RecordBoundary,
  onRecord: (record: RawRecord) => void,
): FormatReader {
  const kept = Buffer.allocUnsafe(maxRecordBytes);
  let keptLength = 0;
  let recordLength = 0;
  let nextPosition = 1;

  function keep(chunk: Buffer, from: number, to: number): void {
    keptLength += chunk.copy(kept, keptLength, from, to);
    recordLength += to - from;
  }

  function emitKept(): void {
    emit(kept, 0, keptLength, recordLength);
    keptLength = 0;
    recordLength = 0;
  }

  function emit(bytes: Buffer, start: number, lastByte: number, length: number): void {
    const position = nextPosition;
    const lastPosition = position + boundary.takeInnerNewlines();
    nextPosition = lastPosition + 1;
    const tooLong = length > maxRecordBytes;
    const withReturn = !tooLong && length > 0 && bytes[lastByte - 1] === carriageReturn;
    const end = withReturn ? lastByte - 1 : lastByte;
    if (end === start) return;
    onRecord({ bytes, start, end, position, lastPosition, length, tooLong });
  }

  return {
    push(chunk) {
      let from = 0;
      while (from < chunk.length) {
        const end = boundary.findEnd(chunk, from);
        if (end === -1) {
          keep(chunk, from, chunk.length);
          return;
        }
        if (recordLength === 0) {
          emit(chunk, from, end, end - from);
        } else {
          keep(chunk, from, end);
          emitKept();
        }
        from = end + 1;
      }
    },
    end() {
      // A last record without a newline counts.
      if (recordLength > 0) emitKept();
    },
  };
}

/** What is wrong with a record that was not kept whole. */
export function tooLongProblem(thing: string, record: RawRecord): string {
  const start = quoted(record.bytes.subarray(record.start, record.end));
  return `${thing} must be at most ${maxRecordBytes} bytes, got ${record.length} bytes that begin with ${start}`;
}
