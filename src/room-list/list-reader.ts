import { detectFormat } from './detect-format.js';
import { textHead } from './encoding.js';
import { type RoomListFormat, type RoomListLayout, MAX_RECORD_BYTES } from './entry.js';
import type { EntryBatches } from './entry-batches.js';
import { CsvReader } from './formats/csv.js';
import type { FormatReader } from './formats/format-reader.js';
import { linesReader } from './formats/lines.js';
import { ndjsonReader } from './formats/ndjson.js';

export interface ListReaderOptions {
  /** The list's file name: its extension tells the format. */
  readonly name?: string | undefined;
  /** The format, whatever name and content say. */
  readonly format?: RoomListFormat | undefined;
  /** Told the layout once, as soon as it is known; never for an empty list. */
  readonly onLayout?: ((layout: RoomListLayout) => void) | undefined;
}

/**
 * Reads a list's chunks: holds the first 64 KiB back until the format is known (always as
 * many, so that the cuts between chunks change nothing), then hands all to its reader.
 */
export class ListReader implements FormatReader {
  readonly #entries: EntryBatches;
  readonly #options: ListReaderOptions;
  #head = Buffer.alloc(0);
  #reader: FormatReader | undefined;

  constructor(entries: EntryBatches, options: ListReaderOptions) {
    this.#entries = entries;
    this.#options = options;
  }

  push(chunk: Buffer): void {
    if (this.#reader !== undefined) {
      this.#reader.push(chunk);
      return;
    }
    const missing = MAX_RECORD_BYTES - this.#head.length;
    this.#head = Buffer.concat([this.#head, chunk.subarray(0, missing)]);
    if (this.#head.length < MAX_RECORD_BYTES) return;
    this.#begin().push(chunk.subarray(missing));
  }

  end(): void {
    if (this.#reader === undefined && this.#head.length === 0) return;
    const reader = this.#reader ?? this.#begin();
    reader.end();
  }

  #begin(): FormatReader {
    const head = textHead(this.#head);
    const reader = this.#readerFor(detectFormat(head, this.#options));
    this.#reader = reader;
    this.#head = Buffer.alloc(0);
    reader.push(head);
    return reader;
  }

  #readerFor(layout: RoomListLayout): FormatReader {
    const { onLayout } = this.#options;
    if (layout.format === 'csv') {
      return new CsvReader(this.#entries, (column) => onLayout?.({ ...layout, column }));
    }
    onLayout?.(layout);
    return layout.format === 'ndjson' ? ndjsonReader(this.#entries) : linesReader(this.#entries);
  }
}
