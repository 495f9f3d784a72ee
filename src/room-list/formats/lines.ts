import type { EntryBatches } from '../entry-batches.js';
import { type RawRecord, RecordSplitter } from '../record-splitter.js';
import { isRoomId, roomIdProblem } from '../../room-id.js';
import { type FormatReader, tooLongProblem } from './format-reader.js';
import { lineBoundary } from './line-boundary.js';

/** One RoomId a line. Spaces count: a line of only spaces is a RoomId. */
export function linesReader(entries: EntryBatches): FormatReader {
  return new RecordSplitter(lineBoundary, (record) => addLine(entries, record));
}

function addLine(entries: EntryBatches, record: RawRecord): void {
  const { bytes, start, end, line } = record;
  if (record.tooLong) {
    entries.problem(line, tooLongProblem('line', record));
    return;
  }
  // Latin-1 maps every byte to one character, so a byte beyond ASCII cannot pass.
  const roomId = bytes.toString('latin1', start, end);
  if (isRoomId(roomId)) entries.room(line, roomId);
  else entries.problem(line, String(roomIdProblem(bytes.subarray(start, end))));
}
