import type { EntryBatches } from '../entry-batches.js';
import { type RawRecord, RecordSplitter } from '../record-splitter.js';
import { roomIdProblem } from '../../room-id.js';
import { shown } from '../shown.js';
import { type FormatReader, tooLongProblem } from './format-reader.js';
import { lineBoundary } from './line-boundary.js';

/** One JSON object a line, the RoomId in its string `roomId`; other keys are left alone. */
export function ndjsonReader(entries: EntryBatches): FormatReader {
  return new RecordSplitter(lineBoundary, (record) => addLine(entries, record));
}

function addLine(entries: EntryBatches, record: RawRecord): void {
  const { bytes, start, end, line } = record;
  if (record.tooLong) {
    entries.problem(line, tooLongProblem('line', record));
    return;
  }
  const text = bytes.toString('utf8', start, end);
  const value = parsed(text);
  if (!isObject(value)) {
    entries.problem(line, `line must be a JSON object with a roomId, got ${shown(text)}`);
  } else if (!Object.hasOwn(value, 'roomId')) {
    entries.problem(line, `JSON object must have a roomId, got ${shown(text)}`);
  } else if (typeof value.roomId !== 'string') {
    const got = JSON.stringify(value.roomId);
    entries.problem(line, `roomId must be a JSON string, got ${shown(got)}`);
  } else {
    const problem = roomIdProblem(value.roomId);
    if (problem === undefined) entries.room(line, value.roomId);
    else entries.problem(line, problem);
  }
}

/** The JSON value, or undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
