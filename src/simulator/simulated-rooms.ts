import type { Fault } from './faults.js';
import type { RoomWithFaults } from './rooms-file.js';
import { addStatistics, noStatistics, statisticsOf, type Statistic } from './truth.js';

/** absent: never created; only a room that exists can be destroyed, and only once. */
export type RoomState = 'live' | 'destroyed' | 'absent';

export interface Room {
  readonly roomId: string;
  state: RoomState;
  /** Requests that named it and kept every other rule. */
  requests: number;
  faults: Fault[];
}

export type Rooms = ReturnType<typeof createRooms>;

/** One for all, as most rooms have none. */
const noFaults: Fault[] = [];

/** The rooms of the simulated app. With `anyRoom` a room not listed exists until destroyed. */
export function createRooms(anyRoom: boolean) {
  const rooms = new Map<string, Room>();
  const unlisted: RoomState = anyRoom ? 'live' : 'absent';
  const sum = noStatistics();
  let live = 0;
  let destroyed = 0;

  function enter(roomId: string, state: RoomState): Room {
    let room = rooms.get(roomId);
    if (room === undefined) {
      room = { roomId, state: 'absent', requests: 0, faults: noFaults };
      rooms.set(roomId, room);
    }
    setState(room, state);
    return room;
  }

  function setState(room: Room, state: RoomState): void {
    if (room.state === 'live') live--;
    if (state === 'live') live++;
    room.state = state;
  }

  return {
    /** Creates rooms; one that was destroyed exists again, as with the API. */
    add(entries: Iterable<RoomWithFaults>): void {
      for (const { roomId, faults } of entries) {
        const gone = faults.some(({ effect }) => effect.kind === 'gone');
        const room = enter(roomId, gone ? 'absent' : 'live');
        if (faults.length > 0) room.faults = faults;
      }
    },
    /** The room by this id; one that was not known is entered, so that it can be counted. */
    get: (roomId: string) => rooms.get(roomId) ?? enter(roomId, unlisted),
    stateOf(roomId: string): Pick<Room, 'state' | 'requests'> {
      const room = rooms.get(roomId);
      return { state: room?.state ?? unlisted, requests: room?.requests ?? 0 };
    },
    /** Its final statistics; undefined when there is no room to destroy. */
    destroy(room: Room): Statistic | undefined {
      if (room.state !== 'live') return undefined;
      setState(room, 'destroyed');
      destroyed++;
      const statistic = statisticsOf(room.roomId);
      addStatistics(sum, statistic);
      return statistic;
    },
    /** How often a room was destroyed, and how many exist (those not asked for yet do not count with `anyRoom`). */
    counts: () => ({ destroyed, left: live }),
    /** Sums over every room destroyed. */
    destroyedStatistics: () => ({ ...sum }),
  };
}
