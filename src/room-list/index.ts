export {
  type ProblemEntry,
  type RoomEntry,
  type RoomListEntry,
  type RoomListFormat,
  type RoomListLayout,
} from './entry.js';
export { listOf } from './list-of.js';
export { type ReadRoomListOptions, readRoomList } from './read-room-list.js';
export { joinRoomLists, type RoomList } from './room-list.js';
export { RoomSet } from './room-set.js';
export { type RoomListSummary, scanRoomList } from './scan.js';
export { openRoomList, type OpenRoomListOptions } from './source.js';
export { type UniqueRooms, uniqueRooms, type UniqueRoomsOptions } from './unique-rooms.js';
