import type { RoomListEntry } from './entry.js';
import { EntryBatches } from './entry-batches.js';
import { ListReader, type ListReaderOptions } from './list-reader.js';

export interface ReadRoomListOptions extends ListReaderOptions {
  /** Entries in a batch; default 1,000. */
  readonly batchSize?: number | undefined;
}

/** Bytes that are read before entries are handed on, however large the source's chunks are. */
const PIECE_BYTES = 64 * 1024;

/**
 * Reads a list of rooms as a stream: batches of entries in the list's order, in memory
 * that does not grow with the list. Throws ReaperError INVALID where it cannot be read at all
 * (CSV without a RoomId column, a file that is no text). An empty list has no batches.
 */
export async function* readRoomList(
  source: AsyncIterable<Uint8Array | string>,
  options: ReadRoomListOptions = {},
): AsyncGenerator<RoomListEntry[], void, undefined> {
  const entries = new EntryBatches(options.batchSize ?? 1_000);
  const reader = new ListReader(entries, options);
  for await (const chunk of source) {
    const bytes = asBuffer(chunk);
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      reader.push(bytes.subarray(from, from + PIECE_BYTES));
      yield* entries.takeFull();
    }
  }
  reader.end();
  yield* entries.takeRest();
}

function asBuffer(chunk: Uint8Array | string): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
