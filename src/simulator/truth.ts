/** What is true of a simulated room: a function of its RoomId alone. */

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

/**
 * The final statistics of a room. A test or a benchmark can so say what must have been saved
 * without asking the simulator.
 *
 * About half of the rooms have more than 2^31 likes and some have more than 2^32 coins,
 * so that a 32-bit column or parser shows itself.
 */
export function statisticsOf(roomId: string): Statistic {
  const viewers = hash32(roomId, 1) % 100_000;
  const gifts = hash32(roomId, 2) % 10_000;
  const price = hash32(roomId, 3);
  return {
    TotalViewers: viewers,
    TotalGiftsSent: gifts,
    TotalGiftCoins: gifts * (1 + (price % 1_000)) * (price % 16 === 0 ? 1_000 : 1),
    TotalUniqueGiftSenders: hash32(roomId, 4) % (Math.min(gifts, viewers) + 1),
    TotalLikesReceived: hash32(roomId, 5),
  };
}

/** Adds `more` to `sum` in place. */
export function addStatistics(sum: Statistic, more: Statistic): void {
  for (const name of statisticNames) sum[name] += more[name];
}

/** `Response.RoomInfo` of get_room_info (https://trtc.io/document/63404), of a room that is live. */
export type RoomInfo = ReturnType<typeof roomInfoOf>;

export function roomInfoOf(roomId: string) {
  return {
    RoomId: roomId,
    RoomName: roomId,
    RoomType: 'Live',
    Owner_Account: `owner-${hash32(roomId, 6) % 1_000}`,
    /** Seconds since 1970. */
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
