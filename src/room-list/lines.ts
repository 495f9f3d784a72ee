import { isRoomId, roomIdProblem } from '../room-id.js';
import {
  createRecordSplitter,
  type FormatReader,
  newlineBoundary,
  type OnEntry,
  tooLongProblem,
} from './records.js';
import { problemAt } from './room-list.js';

/** One RoomId a line. Spaces count: a line of only spaces is a RoomId. */
export function createLinesReader(onEntry: OnEntry): FormatReader {
  return createRecordSplitter(newlineBoundary, (record) => {
    const { bytes, start, end, position } = record;
    // Latin-1 maps every byte to one character, so a byte beyond ASCII cannot pass.
    const roomId = record.tooLong ? '' : bytes.toString('latin1', start, end);
    if (isRoomId(roomId)) {
      onEntry({ position, roomId });
      return;
    }
    const problem = record.tooLong
      ? tooLongProblem('line', record)
      : String(roomIdProblem(bytes.subarray(start, end)));
    onEntry(problemAt(position, problem));
  });
}
