/** The truth about the rooms of a counting server. */
import { createHash } from 'node:crypto';
import type { CountingServerOptions, RoomEnd, RoomFacts, TotalName } from './counting-server.js';

const totalNames = [
  'TotalViewers',
  'TotalGiftsSent',
  'TotalGiftCoins',
  'TotalUniqueGiftSenders',
  'TotalLikesReceived',
] as const satisfies readonly TotalName[];

/** As decimal text: some are beyond what a double holds. */
export type Totals = Record<TotalName, string>;

/** Seconds since the epoch: long before any test. */
const longAgo = 1_700_000_000;

interface Room {
  facts: Required<RoomFacts>;
  live: boolean;
  /** How often it was created again. */
  life: number;
  /** The lives that a request ended. */
  destroyed: number[];
}

export type Rooms = ReturnType<typeof createRooms>;

/** Every room exists until it is destroyed, but for those that never existed. */
export function createRooms({ rooms: listed = {}, permanent = [] }: CountingServerOptions) {
  /** What is not as it was at the start, and what get_room_list tells. */
  const known = new Map<string, Room>();
  const ends: RoomEnd[] = [];
  for (const [roomId, facts] of Object.entries(listed)) enter(roomId, facts);

  // Only what is listed, or was created while it ran, is told by get_room_list.
  function enter(roomId: string, facts: RoomFacts = { isPublic: false }): Room {
    let room = known.get(roomId);
    if (room === undefined) {
      room = { facts: { ...madeUpFacts(roomId), ...facts }, live: true, life: 0, destroyed: [] };
      known.set(roomId, room);
    }
    return room;
  }

  function permanentAnswer(roomId: string) {
    return permanent.find(({ prefix }) => roomId.startsWith(prefix))?.answer;
  }

  function isLive(roomId: string): boolean {
    return permanentAnswer(roomId)?.kind !== 'unknown' && (known.get(roomId)?.live ?? true);
  }

  function totalsOf(roomId: string): Totals {
    return madeUpTotals(roomId, known.get(roomId)?.life ?? 0);
  }

  /** What get_room_info and get_room_list both tell of a room. */
  function told(roomId: string) {
    const { name, owner, createTime, viewCount } = known.get(roomId)?.facts ?? madeUpFacts(roomId);
    return {
      RoomId: roomId,
      RoomName: name,
      Owner_Account: owner,
      CoverURL: '',
      Category: [],
      CreateTime: createTime,
      ActivityStatus: 0,
      ViewCount: viewCount,
    };
  }

  function endNow(roomId: string, requestId?: string): Room {
    const room = enter(roomId);
    const atMs = performance.timeOrigin + performance.now();
    const { createTime } = room.facts;
    ends.push({
      roomId,
      atMs,
      createTime,
      totals: totalsOf(roomId),
      ...(requestId && { requestId }),
    });
    room.live = false;
    return room;
  }

  return {
    /** In the order of their times. */
    ends,
    /** A room that is refused for good, or never existed, is never destroyed. */
    canBeDestroyed: (roomId: string) => permanentAnswer(roomId) === undefined && isLive(roomId),
    destroy(roomId: string, requestId: string): void {
      const room = endNow(roomId, requestId);
      room.destroyed.push(room.life);
    },
    /** Not by a request. */
    end(roomId: string): void {
      if (isLive(roomId)) endNow(roomId);
    },
    /** A new room by the same id, with totals of its own. */
    recreate(roomId: string, atMs: number): void {
      const room = enter(roomId);
      room.live = true;
      room.life += 1;
      room.facts = { ...room.facts, createTime: Math.floor(atMs / 1000), isPublic: true };
    },
    isLive,
    totalsOf,
    told,
    /** By viewers, falling, as it is at this moment. */
    list: () =>
      [...known]
        .filter(([roomId, { facts }]) => facts.isPublic && isLive(roomId))
        .map(([roomId]) => told(roomId))
        .sort((a, b) => b.ViewCount - a.ViewCount || (a.RoomId < b.RoomId ? -1 : 1)),
    /** What a report says of a room. */
    truth(roomId: string) {
      const room = known.get(roomId);
      const life = room?.life ?? 0;
      const destroyed = room?.destroyed ?? [];
      const earlier = destroyed.filter((each) => each < life);
      return {
        destroyed: destroyed.includes(life),
        totals: totalsOf(roomId),
        ...(earlier.length > 0 && {
          earlierTotals: earlier.map((each) => madeUpTotals(roomId, each)),
        }),
      };
    },
  };
}

function madeUpFacts(roomId: string): Required<RoomFacts> {
  const made = createHash('sha256').update(`facts of ${roomId}`).digest();
  return {
    name: `name of ${roomId}`,
    owner: `owner-${made.readUInt16BE(0) % 100}`,
    createTime: longAgo,
    viewCount: made.readUInt32BE(2) % 10_000,
    isPublic: true,
  };
}

/** Any whole numbers, different for every room and life; one room in fifty is beyond what a double holds. */
function madeUpTotals(roomId: string, life: number): Totals {
  const digest = createHash('sha256')
    .update(life === 0 ? roomId : `${roomId} ${life}`)
    .digest();
  const totals = totalNames.map((_, index) => BigInt(digest.readUInt32BE(index * 4) % 1_000_000));
  const beyondDouble = (digest[20] ?? 0) % 50 === 0 ? 2n ** 53n + 1n : 0n;
  return Object.fromEntries(
    totalNames.map((name, index) => [
      name,
      ((totals[index] ?? 0n) + (name === 'TotalGiftCoins' ? beyondDouble : 0n)).toString(),
    ]),
  ) as Totals;
}

/** The text of an object of totals. By hand: JSON.stringify knows no number beyond a double. */
export function totalsText(totals: Totals): string {
  return totalNames.map((name) => `"${name}":${totals[name]}`).join(',');
}
