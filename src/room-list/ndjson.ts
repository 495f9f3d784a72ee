import { orUndefined } from '../or-undefined.js';
import { quoted } from '../redact.js';
import { roomIdProblem } from '../room-id.js';
import {
  createRecordSplitter,
  type FormatReader,
  newlineBoundary,
  type OnEntry,
  type RawRecord,
  tooLongProblem,
} from './records.js';
import { problemAt, roomAt, type RoomListEntry } from './room-list.js';

/** One JSON object a line, the RoomId in its string `roomId`; other keys are left alone. */
export function createNdjsonReader(onEntry: OnEntry): FormatReader {
  return createRecordSplitter(newlineBoundary, (record) => onEntry(entryOf(record)));
}

function entryOf(record: RawRecord): RoomListEntry {
  const { bytes, start, end, position } = record;
  if (record.tooLong) return problemAt(position, tooLongProblem('line', record));
  const text = bytes.toString('utf8', start, end);
  const value = orUndefined<unknown>(() => JSON.parse(text));
  if (!isObject(value)) {
    return problemAt(position, `line must be a JSON object with a roomId, got ${quoted(text)}`);
  }
  if (!Object.hasOwn(value, 'roomId')) {
    return problemAt(position, `JSON object must have a roomId, got ${quoted(text)}`);
  }
  const { roomId } = value;
  if (typeof roomId !== 'string') {
    return problemAt(
      position,
      `roomId must be a JSON string, got ${quoted(JSON.stringify(roomId))}`,
    );
  }
  const problem = roomIdProblem(roomId);
  return problem === undefined ? roomAt(position, roomId) : problemAt(position, problem);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
