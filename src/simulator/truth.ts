/** What is true of a simulated room: a function of its RoomId, and of how often it was created, alone. */

/** `Response.Statistic` of destroy_room, in the API's own names. */
const statisticNames = [
  'TotalViewers',
  'TotalGiftsSent',
  'TotalGiftCoins',
  'TotalUniqueGiftSenders',
  'TotalLikesReceived',
] as const;

export type Statistic = Record<(typeof statisticNames)[number], number>;

export function noStatistics(): Statistic {
  return Object.fromEntries(statisticNames.map((name) => [name, 0])) as Statistic;
}

/** One of the rooms that have had an id: it may be destroyed and created again. */
export interface Life {
  readonly roomId: string;
  /** 0 for the first room by this id, 1 for the one after it. */
  life: number;
  /** Seconds since 1970; undefined for a room that was there before the simulator. */
  createdAt: number | undefined;
}

/**
 * The final statistics of a room. A test or a benchmark can so say what must have been saved
 * without asking the simulator. A room that was created again has others.
 *
 * About half of the rooms have more than 2^31 likes and some have more than 2^32 coins,
 * so that a 32-bit column or parser shows itself.
 */
export function statisticsOf(roomId: string, life = 0): Statistic {
  const text = textOf(roomId, life);
  const viewers = hash32(text, 1) % 100_000;
  const gifts = hash32(text, 2) % 10_000;
  const price = hash32(text, 3);
  return {
    TotalViewers: viewers,
    TotalGiftsSent: gifts,
    TotalGiftCoins: gifts * (1 + (price % 1_000)) * (price % 16 === 0 ? 1_000 : 1),
    TotalUniqueGiftSenders: hash32(text, 4) % (Math.min(gifts, viewers) + 1),
    TotalLikesReceived: hash32(text, 5),
  };
}

/** `Response` of get_room_stats (https://trtc.io/document/80421). */
export function roomStatsOf({ roomId, life }: Life) {
  const TotalMsgCount = hash32(textOf(roomId, life), 8) % 1_000_000;
  return { ...statisticsOf(roomId, life), TotalMsgCount };
}

function textOf(roomId: string, life: number): string {
  return life === 0 ? roomId : `${roomId} ${life}`;
}

/** Adds `more` to `sum` in place. */
export function addStatistics(sum: Statistic, more: Statistic): void {
  for (const name of statisticNames) sum[name] += more[name];
}

/** How many watch it. */
export function viewCountOf({ roomId, life }: Life): number {
  return hash32(textOf(roomId, life), 1) % 100_000;
}

/** One of `Response.RoomList` of get_room_list (https://www.tencentcloud.com/document/product/1071/76888). */
export function listedRoomOf(room: Life) {
  const { roomId, life, createdAt } = room;
  return {
    RoomId: roomId,
    RoomName: roomId,
    Owner_Account: `owner-${hash32(textOf(roomId, life), 6) % 1_000}`,
    CoverURL: '',
    Category: [],
    /** Seconds since 1970. */
    CreateTime: createdAt ?? 1_700_000_000 + (hash32(roomId, 7) % 10_000_000),
    ActivityStatus: 1,
    ViewCount: viewCountOf(room),
  };
}

/** `Response.RoomInfo` of get_room_info (https://trtc.io/document/63404). */
export function roomInfoOf(room: Life) {
  return {
    ...listedRoomOf(room),
    RoomType: 'Live',
    IsSeatEnabled: true,
    TakeSeatMode: 'ApplyToTake',
    MaxSeatCount: 8,
    MaxMemberCount: 300,
    IsMessageDisabled: false,
    IsPublicVisible: true,
  };
}

/**
 * FNV-1a over the UTF-16 units of `text`, finished with murmur3's mixer so that
 * neighbours (room-1, room-2) land far apart. An unsigned 32-bit integer. Not for secrets.
 */
export function hash32(text: string, seed = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
