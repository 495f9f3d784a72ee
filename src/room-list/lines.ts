import { ReaperError } from '../errors.js';
import { isRoomId, roomIdProblem } from '../room-id.js';
import {
  createRecordSplitter,
  type FormatReader,
  newlineBoundary,
  type OnEntry,
  tooLongProblem,
} from './records.js';
import { problemAt, roomAt } from './room-list.js';

/** What separates fields in the lists of other programs. */
const separators = [',', ';', '|'] as const;

/**
 * One RoomId a line. Spaces count.
 *
 * @param asMeant - whether somebody said that it is such a list: then every legal RoomId is meant.
 * @returns a reader that throws ReaperError `INVALID` at the end of a list that has a separator
 *   in each line: rows with several fields.
 */
export function createLinesReader(onEntry: OnEntry, asMeant: boolean): FormatReader {
  let lines = 0;
  const linesWith = { ',': 0, ';': 0, '|': 0 };
  const splitter = createRecordSplitter(newlineBoundary, (record) => {
    const { bytes, start, end, position } = record;
    // Latin-1 maps every byte to one character, so a byte beyond ASCII cannot pass.
    const text = record.tooLong ? '' : bytes.toString('latin1', start, end);
    lines += 1;
    for (const separator of separators) if (text.includes(separator)) linesWith[separator] += 1;
    if (isRoomId(text)) {
      onEntry(asMeant ? { position, roomId: text } : roomAt(position, text));
      return;
    }
    const problem = record.tooLong
      ? tooLongProblem('line', record)
      : String(roomIdProblem(bytes.subarray(start, end)));
    onEntry(problemAt(position, problem));
  });
  return {
    push: (chunk) => splitter.push(chunk),
    end() {
      splitter.end();
      const found =
        asMeant || lines === 0 ? undefined : separators.find((each) => linesWith[each] === lines);
      if (found === undefined) return;
      throw new ReaperError(
        'INVALID',
        `Room list must be one RoomId a line, got a "${found}" in every line; give CSV with a room_id column in its header, or choose --format lines if it belongs to the RoomIds`,
      );
    },
  };
}
