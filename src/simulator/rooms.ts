import type { Fault } from './faults.js';
import type { RoomEntry } from './room-list.js';
import { addStatistics, noStatistics, statisticsOf, type Statistic } from './statistics.js';

/** absent: never created; only a room that exists can be destroyed, and only once. */
export type RoomState = 'live' | 'destroyed' | 'absent';

export interface Room {
  readonly roomId: string;
  state: RoomState;
  /** Requests that named it and kept every other rule. */
  requests: number;
  faults: Fault[];
}

const NO_FAULTS: Fault[] = [];

/** The rooms of the simulated app. With `anyRoom` a room not listed exists until destroyed. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #unlisted: RoomState;
  readonly #destroyedStatistics = noStatistics();
  #live = 0;
  #destroyed = 0;

  constructor(anyRoom: boolean) {
    this.#unlisted = anyRoom ? 'live' : 'absent';
  }

  /** Creates rooms; one that was destroyed exists again, as with the API. */
  add(entries: Iterable<RoomEntry>): void {
    for (const { roomId, faults } of entries) {
      const gone = faults.some(({ effect }) => effect.kind === 'gone');
      const room = this.#enter(roomId, gone ? 'absent' : 'live');
      if (faults.length > 0) room.faults = faults;
    }
  }

  /** The room by this id; one that was not known is entered, so that it can be counted. */
  get(roomId: string): Room {
    return this.#rooms.get(roomId) ?? this.#enter(roomId, this.#unlisted);
  }

  stateOf(roomId: string): { state: RoomState; requests: number } {
    const room = this.#rooms.get(roomId);
    return { state: room?.state ?? this.#unlisted, requests: room?.requests ?? 0 };
  }

  /** Its final statistics; undefined when there is no room to destroy. */
  destroy(room: Room): Statistic | undefined {
    if (room.state !== 'live') return undefined;
    this.#setState(room, 'destroyed');
    this.#destroyed++;
    const statistic = statisticsOf(room.roomId);
    addStatistics(this.#destroyedStatistics, statistic);
    return statistic;
  }

  /** How often a room was destroyed, and how many exist (those not asked for yet do not count with `anyRoom`). */
  get counts(): { destroyed: number; left: number } {
    return { destroyed: this.#destroyed, left: this.#live };
  }

  /** Sums over every room destroyed. */
  get destroyedStatistics(): Statistic {
    return { ...this.#destroyedStatistics };
  }

  #enter(roomId: string, state: RoomState): Room {
    let room = this.#rooms.get(roomId);
    if (room === undefined) {
      room = { roomId, state: 'absent', requests: 0, faults: NO_FAULTS };
      this.#rooms.set(roomId, room);
    }
    this.#setState(room, state);
    return room;
  }

  #setState(room: Room, state: RoomState): void {
    if (room.state === 'live') this.#live--;
    if (state === 'live') this.#live++;
    room.state = state;
  }
}
