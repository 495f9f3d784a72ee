import { parse } from 'csv-parse/sync';
import { ReaperError } from '../errors.js';
import { orUndefined } from '../or-undefined.js';
import { quoted } from '../redact.js';
import { isRoomId, roomIdProblem } from '../room-id.js';
import { createCsvBoundary } from './csv-boundary.js';
import {
  createRecordSplitter,
  type FormatReader,
  maxRecordBytes,
  type OnEntry,
  type RawRecord,
  tooLongProblem,
} from './records.js';
import { problemAt, roomAt, type RoomListEntry } from './room-list.js';

/** Rows given to csv-parse at once: starting it costs as much as about 15 rows. */
const rowsAtOnce = 200;

/** The names that the RoomId column may have, exactly. */
const columnNames = ['room_id', 'RoomId'];

/** Where the RoomId stands in each row. */
interface RoomIdColumn {
  readonly name: string;
  readonly index: number;
  /** Fields of the header, and so of every row. */
  readonly width: number;
}

/**
 * CSV with a header that has a `room_id` or `RoomId` column; other columns are left alone.
 * A row with more or fewer fields than the header is a problem and not guessed at: with
 * an unquoted comma in it, the column would hold another room's id.
 *
 * @param onColumn - told the name of the RoomId column as soon as the header is read.
 * @returns a reader that throws ReaperError `INVALID` where the header is none.
 */
export function createCsvReader(onEntry: OnEntry, onColumn: (name: string) => void): FormatReader {
  const boundary = createCsvBoundary();
  const splitter = createRecordSplitter(boundary, take);
  let column: RoomIdColumn | undefined;
  /** Gathered rows and their positions. */
  let rows: string[] = [];
  let positions: number[] = [];
  let rowBytes = 0;

  function take(record: RawRecord): void {
    const problem = recordProblem(record);
    const { position } = record;
    const row = record.bytes.toString('latin1', record.start, record.end);
    if (column === undefined) {
      column = readHeader(row, position, problem);
      onColumn(column.name);
      return;
    }
    if (problem !== undefined) {
      parseRows(column);
      onEntry(problemAt(position, problem));
      return;
    }
    rows.push(row);
    positions.push(position);
    rowBytes += row.length;
    if (rows.length >= rowsAtOnce || rowBytes >= maxRecordBytes) parseRows(column);
  }

  /** What is wrong with a row as a whole, before its fields are known. */
  function recordProblem(record: RawRecord): string | undefined {
    const { position, lastPosition } = record;
    const row = () => quoted(record.bytes.subarray(record.start, record.end));
    if (boundary.openQuote) {
      return `CSV quote must be closed, got an open one in ${row()} (all from line ${position} to the end of the list is one row)`;
    }
    const lines = lastPosition > position ? ` (lines ${position}–${lastPosition} are one row)` : '';
    if (record.tooLong) return `${tooLongProblem('CSV row', record)}${lines}`;
    if (boundary.strayQuote) {
      return `CSV quotes must enclose a whole field and be doubled inside it, got ${row()}${lines}`;
    }
    return undefined;
  }

  /** Reads the fields of the gathered rows. Called before every problem, to keep the order. */
  function parseRows(where: RoomIdColumn): void {
    if (rows.length === 0) return;
    const parsed = csvFields(rows.join('\n'));
    if (parsed.length !== rows.length) {
      throw new Error(`${rows.length} CSV rows were read as ${parsed.length}`);
    }
    for (const [index, fields] of parsed.entries()) {
      onEntry(entryOf(positions[index] ?? 0, fields, where));
    }
    rows = [];
    positions = [];
    rowBytes = 0;
  }

  return {
    push: (chunk) => splitter.push(chunk),
    end() {
      splitter.end();
      if (column !== undefined) parseRows(column);
    },
  };
}

function readHeader(header: string, position: number, problem: string | undefined): RoomIdColumn {
  if (problem !== undefined) {
    throw new ReaperError(
      'INVALID',
      `CSV room list must begin with a header, but on line ${position}: ${problem}; correct the first line`,
    );
  }
  const columns = roomIdColumns(csvFields(header)[0] ?? []);
  const [column] = columns;
  if (column === undefined || columns.length > 1) {
    throw new ReaperError(
      'INVALID',
      `CSV room list must have one room_id or RoomId column, got ${columns.length === 0 ? 'none' : columns.length} in the header ${quoted(Buffer.from(header, 'latin1'))} on line ${position}; name the column that holds the RoomIds room_id, and separate columns with commas`,
    );
  }
  return column;
}

function entryOf(
  position: number,
  fields: readonly string[],
  { index, width }: RoomIdColumn,
): RoomListEntry {
  const roomId = fields[index];
  if (fields.length !== width || roomId === undefined) {
    return problemAt(
      position,
      `CSV row must have as many fields as the header, ${width}, got ${fields.length}: ${quoted(Buffer.from(fields.join(','), 'latin1'))}`,
    );
  }
  if (isRoomId(roomId)) return roomAt(position, roomId);
  return problemAt(position, String(roomIdProblem(Buffer.from(roomId, 'latin1'))));
}

/** Whether a row, as Latin-1 text, is a header with a RoomId column. */
export function isCsvHeader(row: string): boolean {
  // A bad quote: no header.
  const fields = orUndefined(() => csvFields(row)[0]) ?? [];
  return roomIdColumns(fields).length > 0;
}

/** The header's columns that may hold the RoomId; a good header has one. */
function roomIdColumns(header: readonly string[]): RoomIdColumn[] {
  return header.flatMap((field, index) => {
    const name = field.trim();
    return columnNames.includes(name) ? [{ name, index, width: header.length }] : [];
  });
}

/**
 * The fields of whole, well-quoted CSV rows joined by newlines, as Latin-1 text (one
 * character a byte). Rows may have different numbers of fields: the caller checks them.
 *
 * @throws csv-parse's error on a bad quote.
 */
function csvFields(rows: string): string[][] {
  return parse(Buffer.from(rows, 'latin1'), {
    encoding: 'latin1',
    record_delimiter: '\n',
    relax_column_count: true,
  });
}
