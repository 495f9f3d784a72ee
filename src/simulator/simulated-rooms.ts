import type { Fault } from './faults.js';
import type { RoomWithFaults } from './rooms-file.js';
import {
  addStatistics,
  noStatistics,
  statisticsOf,
  viewCountOf,
  type Life,
  type Statistic,
} from './truth.js';

/**
 * destroyed: by a request. ended: by the system. absent: never created. Only a room that is
 * live can be destroyed, and only once.
 */
export type RoomState = 'live' | 'destroyed' | 'ended' | 'absent';

export interface Room extends Life {
  state: RoomState;
  /** Requests that named it and kept every other rule. */
  requests: number;
  faults: Fault[];
  /** What its place in the list goes by; undefined while it has none. */
  viewCount: number | undefined;
}

export type Rooms = ReturnType<typeof createRooms>;

export interface RoomsOptions {
  /** A room not listed exists until it is destroyed. */
  anyRoom: boolean;
  /** Told each room that begins to live. */
  onCreated?: (room: Room) => void;
  /** Told each room that was destroyed or ended. */
  onGone?: (room: Room) => void;
}

/** One for all, as most rooms have none. */
const noFaults: Fault[] = [];

/** The rooms of the simulated app. */
export function createRooms({ anyRoom, onCreated, onGone }: RoomsOptions) {
  const rooms = new Map<string, Room>();
  const unlisted: RoomState = anyRoom ? 'live' : 'absent';
  const sums = { destroyed: noStatistics(), ended: noStatistics() };
  const counts = { destroyed: 0, ended: 0 };
  const list = createList(rooms);
  let live = 0;

  function enter(roomId: string, state: RoomState, createdAt?: number): Room {
    let room = rooms.get(roomId);
    if (room === undefined) {
      const unknown = { createdAt: undefined, viewCount: undefined, requests: 0 };
      room = { roomId, state: 'absent', life: 0, ...unknown, faults: noFaults };
      rooms.set(roomId, room);
    }
    const before = room.state;
    if (state === 'live' && before !== 'live') {
      if (before !== 'absent') room.life++;
      room.createdAt = createdAt;
    }
    setState(room, state);
    if (state === 'live' && before !== 'live') onCreated?.(room);
    return room;
  }

  function setState(room: Room, state: RoomState): void {
    if (room.state === 'live') live--;
    if (state === 'live') live++;
    room.state = state;
    list.changed(room);
  }

  function end(room: Room, how: 'destroyed' | 'ended'): Statistic | undefined {
    if (room.state !== 'live') return undefined;
    setState(room, how);
    counts[how]++;
    const statistic = statisticsOf(room.roomId, room.life);
    addStatistics(sums[how], statistic);
    onGone?.(room);
    return statistic;
  }

  return {
    /**
     * Creates rooms; one that was destroyed exists again, as with the API, and is another.
     *
     * @param createdAt - seconds since 1970; undefined for what was there before the simulator.
     */
    add(entries: Iterable<RoomWithFaults>, createdAt?: number): void {
      for (const { roomId, faults } of entries) {
        const gone = faults.some(({ effect }) => effect.kind === 'gone');
        const room = enter(roomId, gone ? 'absent' : 'live', createdAt);
        if (faults.length > 0) room.faults = faults;
      }
    },
    /** The room by this id; one that was not known is entered, so that it can be counted. */
    get: (roomId: string) => rooms.get(roomId) ?? enter(roomId, unlisted),
    stateOf(roomId: string): Pick<Room, 'state' | 'requests'> {
      const room = rooms.get(roomId);
      return { state: room?.state ?? unlisted, requests: room?.requests ?? 0 };
    },
    /** The room by this id where it is live; nothing is entered. */
    live(roomId: string): Life | undefined {
      const room = rooms.get(roomId);
      if (room !== undefined) return room.state === 'live' ? room : undefined;
      return anyRoom ? { roomId, life: 0, createdAt: undefined } : undefined;
    },
    /** Rooms that are live, most viewers first; those of `anyRoom` once they were asked for. */
    list: () => list.read(),
    /** Its final statistics; undefined when there is no room to destroy. */
    destroy: (room: Room) => end(room, 'destroyed'),
    /** By the system, as it does with a room that is empty. */
    end: (room: Room) => end(room, 'ended'),
    /** How often a room was destroyed or ended, and how many exist (those not asked for yet do not count with `anyRoom`). */
    counts: () => ({ ...counts, left: live }),
    /** Sums over every room destroyed, and over every room ended. */
    destroyedStatistics: () => ({ ...sums.destroyed }),
    endedStatistics: () => ({ ...sums.ended }),
  };
}

function byViewers(a: Room, b: Room): number {
  return (b.viewCount ?? 0) - (a.viewCount ?? 0) || (a.roomId < b.roomId ? -1 : 1);
}

/**
 * The live rooms by viewers. Kept only once somebody has read it: then what has changed since
 * is brought in at each reading, which is much less than sorting a hundred thousand rooms.
 */
function createList(rooms: ReadonlyMap<string, Room>) {
  let sorted: Room[] | undefined;
  let isStale = false;
  let created: Room[] = [];
  return {
    changed(room: Room): void {
      if (sorted === undefined) return;
      if (room.state === 'live') created.push(room);
      else isStale = true;
    },
    read(): readonly Room[] {
      if (sorted === undefined) {
        sorted = [];
        created = [...rooms.values()];
      }
      if (isStale) {
        for (const room of sorted) if (room.state !== 'live') room.viewCount = undefined;
        sorted = sorted.filter(({ viewCount }) => viewCount !== undefined);
        isStale = false;
      }
      if (created.length > 0) {
        for (const room of created) {
          if (room.state !== 'live') continue;
          if (room.viewCount === undefined) sorted.push(room);
          // One that was created again has other viewers than the one whose place it has.
          room.viewCount = viewCountOf(room);
        }
        created = [];
        sorted.sort(byViewers);
      }
      return sorted;
    },
  };
}
