import type { RoomListEntry } from './entry.js';
import { roomIdProblem } from '../room-id.js';
import type { RoomList } from './room-list.js';

/** The values of `--room` as a list; its problems name the flag instead of a line. */
export function listOf(rooms: readonly string[], flag = '--room'): RoomList {
  const entries = rooms.map((roomId, index): RoomListEntry => {
    const problem = roomIdProblem(roomId);
    const line = index + 1;
    return problem === undefined ? { line, roomId } : { line, at: flag, problem };
  });
  return {
    name: flag,
    // eslint-disable-next-line @typescript-eslint/require-await -- RoomList is asynchronous for files
    async *entries() {
      if (entries.length > 0) yield entries;
    },
    close: () => Promise.resolve(),
  };
}
