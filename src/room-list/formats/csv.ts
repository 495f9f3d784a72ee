import { ReaperError } from '../../errors.js';
import { MAX_RECORD_BYTES } from '../entry.js';
import type { EntryBatches } from '../entry-batches.js';
import { type RawRecord, RecordSplitter } from '../record-splitter.js';
import { isRoomId, roomIdProblem } from '../../room-id.js';
import { shown } from '../shown.js';
import { CsvBoundary } from './csv-boundary.js';
import { csvFields } from './csv-fields.js';
import { type RoomIdColumn, roomIdColumns } from './csv-header.js';
import { type FormatReader, tooLongProblem } from './format-reader.js';

/** Rows given to csv-parse at once: starting it costs as much as about 15 rows. */
const ROWS_AT_ONCE = 200;

/**
 * CSV with a header that has a `room_id` or `RoomId` column; other columns are left alone.
 * A row with more or fewer fields than the header is a problem and not guessed at: with
 * an unquoted comma in it, the column would hold another room's id.
 */
export class CsvReader implements FormatReader {
  readonly #entries: EntryBatches;
  readonly #onColumn: (column: string) => void;
  readonly #boundary = new CsvBoundary();
  readonly #splitter = new RecordSplitter(this.#boundary, (record) => this.#take(record));
  #column: RoomIdColumn | undefined;
  #rows: string[] = [];
  #rowLines: number[] = [];
  #rowBytes = 0;

  /** `onColumn` is told the name of the RoomId column as soon as the header is read. */
  constructor(entries: EntryBatches, onColumn: (column: string) => void) {
    this.#entries = entries;
    this.#onColumn = onColumn;
  }

  push(chunk: Buffer): void {
    this.#splitter.push(chunk);
  }

  end(): void {
    this.#splitter.end();
    this.#parseRows();
  }

  #take(record: RawRecord): void {
    const problem = this.#recordProblem(record);
    const row = record.bytes.toString('latin1', record.start, record.end);
    if (this.#column === undefined) {
      this.#readHeader(row, record.line, problem);
      return;
    }
    if (problem !== undefined) {
      this.#parseRows();
      this.#entries.problem(record.line, problem);
      return;
    }
    this.#rows.push(row);
    this.#rowLines.push(record.line);
    this.#rowBytes += row.length;
    if (this.#rows.length >= ROWS_AT_ONCE || this.#rowBytes >= MAX_RECORD_BYTES) this.#parseRows();
  }

  /** What is wrong with a row as a whole, before its fields are known. */
  #recordProblem(record: RawRecord): string | undefined {
    const { line, lastLine } = record;
    const row = () => shown(record.bytes.subarray(record.start, record.end));
    if (this.#boundary.openQuote) {
      return `CSV quote must be closed, got an open one in ${row()} (all from line ${line} to the end of the list is one row)`;
    }
    const lines = lastLine > line ? ` (lines ${line}–${lastLine} are one row)` : '';
    if (record.tooLong) return `${tooLongProblem('CSV row', record)}${lines}`;
    if (this.#boundary.strayQuote) {
      return `CSV quotes must enclose a whole field and be doubled inside it, got ${row()}${lines}`;
    }
    return undefined;
  }

  #readHeader(header: string, line: number, problem: string | undefined): void {
    if (problem !== undefined) {
      throw new ReaperError(
        'INVALID',
        `CSV room list must begin with a header, but on line ${line}: ${problem}; correct the first line`,
      );
    }
    const columns = roomIdColumns(csvFields(header)[0] ?? []);
    const [column] = columns;
    if (column === undefined || columns.length > 1) {
      throw new ReaperError(
        'INVALID',
        `CSV room list must have one room_id or RoomId column, got ${columns.length === 0 ? 'none' : columns.length} in the header ${shown(Buffer.from(header, 'latin1'))} on line ${line}; name the column that holds the RoomIds room_id, and separate columns with commas`,
      );
    }
    this.#column = column;
    this.#onColumn(column.name);
  }

  /** Reads the fields of the gathered rows. Called before every problem, to keep the order. */
  #parseRows(): void {
    if (this.#rows.length === 0) return;
    const rows = csvFields(this.#rows.join('\n'));
    if (rows.length !== this.#rows.length) {
      throw new Error(`${this.#rows.length} CSV rows were read as ${rows.length}`);
    }
    for (const [index, fields] of rows.entries()) {
      this.#addRow(this.#rowLines[index] ?? 0, fields);
    }
    this.#rows = [];
    this.#rowLines = [];
    this.#rowBytes = 0;
  }

  #addRow(line: number, fields: readonly string[]): void {
    const { index, width } = this.#column as RoomIdColumn;
    const roomId = fields[index];
    if (fields.length !== width || roomId === undefined) {
      this.#entries.problem(
        line,
        `CSV row must have as many fields as the header, ${width}, got ${fields.length}: ${shown(Buffer.from(fields.join(','), 'latin1'))}`,
      );
    } else if (isRoomId(roomId)) {
      this.#entries.room(line, roomId);
    } else {
      this.#entries.problem(line, String(roomIdProblem(Buffer.from(roomId, 'latin1'))));
    }
  }
}
