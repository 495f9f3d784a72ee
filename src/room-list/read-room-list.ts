import { createCsvReader } from './csv.js';
import { detectFormat, textHead } from './detect-format.js';
import { createLinesReader } from './lines.js';
import { createNdjsonReader } from './ndjson.js';
import { type FormatReader, maxRecordBytes, type OnEntry } from './records.js';
import type { RoomListEntry, RoomListFormat, RoomListLayout } from './room-list.js';

export interface ReadRoomListOptions {
  /** The list's file name: its extension tells the format. */
  readonly name?: string | undefined;
  /** The format, whatever name and content say. */
  readonly format?: RoomListFormat | undefined;
  /** Told the layout once, as soon as it is known; never for an empty list. */
  readonly onLayout?: ((layout: RoomListLayout) => void) | undefined;
  /** Entries in a batch; default 1,000. */
  readonly batchSize?: number | undefined;
}

/** Bytes that are read before entries are handed on, however large the source's chunks are. */
const pieceBytes = 64 * 1024;

/**
 * Reads a list of rooms as a stream: batches of entries in the list's order, in memory
 * that does not grow with the list. An empty list has no batches.
 *
 * @throws ReaperError `INVALID` where it cannot be read at all (CSV without a RoomId column,
 *   a file that is no text).
 */
export async function* readRoomList(
  source: AsyncIterable<Uint8Array | string>,
  options: ReadRoomListOptions = {},
): AsyncGenerator<RoomListEntry[], void, undefined> {
  const { batchSize = 1_000 } = options;
  // In arrays, because iterating asynchronously over single rooms is slow.
  const gathered: RoomListEntry[] = [];
  const reader = createListReader((entry) => gathered.push(entry), options);
  for await (const chunk of source) {
    const bytes = asBuffer(chunk);
    for (let from = 0; from < bytes.length; from += pieceBytes) {
      reader.push(bytes.subarray(from, from + pieceBytes));
      while (gathered.length >= batchSize) yield gathered.splice(0, batchSize);
    }
  }
  reader.end();
  while (gathered.length > 0) yield gathered.splice(0, batchSize);
}

function asBuffer(chunk: Uint8Array | string): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/**
 * Reads a list's chunks: holds the first 64 KiB back until the format is known (always as
 * many, so that the cuts between chunks change nothing), then hands all to its reader.
 */
function createListReader(onEntry: OnEntry, options: ReadRoomListOptions): FormatReader {
  let head = Buffer.alloc(0);
  let reader: FormatReader | undefined;

  function begin(): FormatReader {
    const text = textHead(head);
    reader = readerFor(detectFormat(text, options));
    head = Buffer.alloc(0);
    reader.push(text);
    return reader;
  }

  function readerFor(layout: RoomListLayout): FormatReader {
    const { onLayout } = options;
    if (layout.format === 'csv') {
      return createCsvReader(onEntry, (column) => onLayout?.({ ...layout, column }));
    }
    onLayout?.(layout);
    if (layout.format === 'ndjson') return createNdjsonReader(onEntry);
    return createLinesReader(onEntry, layout.detectedBy === 'option');
  }

  return {
    push(chunk) {
      if (reader !== undefined) {
        reader.push(chunk);
        return;
      }
      const missing = maxRecordBytes - head.length;
      head = Buffer.concat([head, chunk.subarray(0, missing)]);
      if (head.length >= maxRecordBytes) begin().push(chunk.subarray(missing));
    },
    end() {
      if (reader === undefined && head.length === 0) return;
      (reader ?? begin()).end();
    },
  };
}
