import type { RecordBoundary } from '../record-splitter.js';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;

/**
 * Finds where a CSV row ends: at a newline outside quotes (RFC 4180).
 *
 * csv-parse reads the fields; this walk comes before it because csv-parse stops at the
 * first bad quote of a stream, and would hold a row of any length. Here a bad row is known
 * by itself, its neighbours are read, and the physical lines are counted. A quote opens
 * only at the start of a field, so a stray one (`5" pipe,room-1`) spoils its own row only.
 */
export class CsvBoundary implements RecordBoundary {
  #place: 'field start' | 'plain' | 'quoted' | 'quote closed' | 'return after quote' =
    'field start';
  #strayQuote = false;
  #innerNewlines = 0;
  #ended = false;

  /** Whether the row that has just ended has a quote at a wrong place. */
  get strayQuote(): boolean {
    return this.#strayQuote;
  }

  /** Whether the row still has an open quote: at the end of the list, it is never closed. */
  get openQuote(): boolean {
    return this.#place === 'quoted';
  }

  findEnd(chunk: Buffer, from: number): number {
    if (this.#ended) this.#startRow();
    for (let index = from; index < chunk.length; index += 1) {
      if (this.#step(chunk[index] as number)) {
        this.#ended = true;
        return index;
      }
    }
    return -1;
  }

  takeInnerNewlines(): number {
    const newlines = this.#innerNewlines;
    this.#innerNewlines = 0;
    return newlines;
  }

  /** Takes one byte; true when it ends the row. */
  #step(byte: number): boolean {
    if (this.#place === 'quoted') {
      if (byte === QUOTE) this.#place = 'quote closed';
      else if (byte === NEWLINE) this.#innerNewlines += 1;
      return false;
    }
    if (byte === NEWLINE) return true;
    if (byte === COMMA) {
      if (this.#place === 'return after quote') this.#strayQuote = true;
      this.#place = 'field start';
    } else if (byte === QUOTE) {
      if (this.#place === 'field start' || this.#place === 'quote closed') this.#place = 'quoted';
      else this.#spoil();
    } else if (this.#place === 'quote closed' && byte === CARRIAGE_RETURN) {
      this.#place = 'return after quote';
    } else if (this.#place === 'quote closed' || this.#place === 'return after quote') {
      this.#spoil();
    } else {
      this.#place = 'plain';
    }
    return false;
  }

  #startRow(): void {
    this.#place = 'field start';
    this.#strayQuote = false;
    this.#ended = false;
  }

  #spoil(): void {
    this.#strayQuote = true;
    this.#place = 'plain';
  }
}
