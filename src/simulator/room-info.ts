import type { Answer } from './answer.js';
import { hash32 } from './hash.js';
import type { Rooms } from './rooms.js';

/** What get_room_info tells about a room. It changes nothing, and no fault is meant for it. */
export function tellRoomInfo(rooms: Rooms, roomId: string): Answer {
  if (rooms.stateOf(roomId).state !== 'live') return { kind: 'code', code: 100004 };
  return {
    kind: 'info',
    info: {
      RoomId: roomId,
      RoomName: roomId,
      RoomType: 'Live',
      Owner_Account: `owner-${hash32(roomId, 6) % 1_000}`,
      CreateTime: 1_760_000_000 + (hash32(roomId, 7) % 10_000_000),
      IsSeatEnabled: true,
      TakeSeatMode: 'ApplyToTake',
      MaxSeatCount: 8,
      MaxMemberCount: 300,
      IsMessageDisabled: false,
      CoverURL: '',
      Category: [],
      ActivityStatus: 1,
      ViewCount: hash32(roomId, 1) % 100_000,
      IsPublicVisible: true,
    },
  };
}
