import type { RecordBoundary } from './records.js';

const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;
const comma = 0x2c;

export interface CsvBoundary extends RecordBoundary {
  /** Whether the row that has just ended has a quote at a wrong place. */
  readonly strayQuote: boolean;
  /** Whether the row still has an open quote: at the end of the list, it is never closed. */
  readonly openQuote: boolean;
}

/**
 * Finds where a CSV row ends: at a newline outside quotes (RFC 4180).
 *
 * csv-parse reads the fields; this walk comes before it because csv-parse stops at the
 * first bad quote of a stream, and would hold a row of any length. Here a bad row is known
 * by itself, its neighbours are read, and the newlines in it are counted. A quote opens
 * only at the start of a field, so a stray one (`5" pipe,room-1`) spoils its own row only.
 */
export function createCsvBoundary(): CsvBoundary {
  let place: 'field start' | 'plain' | 'quoted' | 'quote closed' | 'return after quote' =
    'field start';
  let strayQuote = false;
  let innerNewlines = 0;
  let ended = false;

  /** Takes one byte; true when it ends the row. */
  function step(byte: number): boolean {
    if (place === 'quoted') {
      if (byte === quote) place = 'quote closed';
      else if (byte === newline) innerNewlines += 1;
      return false;
    }
    if (byte === newline) return true;
    if (byte === comma) {
      if (place === 'return after quote') strayQuote = true;
      place = 'field start';
    } else if (byte === quote) {
      if (place === 'field start' || place === 'quote closed') place = 'quoted';
      else spoil();
    } else if (place === 'quote closed' && byte === carriageReturn) {
      place = 'return after quote';
    } else if (place === 'quote closed' || place === 'return after quote') {
      spoil();
    } else {
      place = 'plain';
    }
    return false;
  }

  function spoil(): void {
    strayQuote = true;
    place = 'plain';
  }

  return {
    get strayQuote() {
      return strayQuote;
    },
    get openQuote() {
      return place === 'quoted';
    },
    findEnd(chunk, from) {
      if (ended) {
        place = 'field start';
        strayQuote = false;
        ended = false;
      }
      for (let index = from; index < chunk.length; index += 1) {
        if (step(chunk[index] as number)) {
          ended = true;
          return index;
        }
      }
      return -1;
    },
    takeInnerNewlines() {
      const newlines = innerNewlines;
      innerNewlines = 0;
      return newlines;
    },
  };
}
