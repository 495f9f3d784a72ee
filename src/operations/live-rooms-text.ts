/** Live rooms as they are written, page by page. */
import { fitted, padded } from '../layout.js';
import { count, dayAndTime, isoTime, rooms } from '../text.js';
import {
  readLiveRooms,
  type ListedPage,
  type ListEnd,
  type LiveRoom,
  type LiveRoomsWish,
} from './live-rooms.js';
import { csvCell } from './report.js';
import type { Service } from './service.js';
import { readSurvivors, type Survivor } from './survivors.js';

/** A live room, and of a survivor what is known of it. */
export type ListedRoom = LiveRoom & Partial<Pick<Survivor, 'outcome' | 'finishedAtMs' | 'known'>>;

export const liveFormats = ['lines', 'ndjson', 'csv', 'table'] as const;

export type LiveFormat = (typeof liveFormats)[number];

export interface ListWish extends LiveRoomsWish {
  /** Id or name of a batch: only its rooms, with what is known of each. */
  survivors?: string | undefined;
}

/** @throws ReaperError as {@link readLiveRooms} and {@link readSurvivors}. */
export function listRooms(
  service: Service,
  { survivors, ...wish }: ListWish,
  signal?: AbortSignal,
): AsyncGenerator<ListedPage<ListedRoom>, ListEnd> {
  return survivors === undefined
    ? readLiveRooms(service, wish, signal)
    : readSurvivors(service, survivors, wish, signal);
}

interface LiveRows {
  /** What stands before the first room. */
  head: string;
  row(room: ListedRoom): string;
}

/**
 * @param survivors - whether what is known of each room is told.
 * @param width - of the terminal, for a table; undefined: it is none.
 */
export function liveRows(format: LiveFormat, survivors: boolean, width?: number): LiveRows {
  switch (format) {
    case 'lines':
      return { head: '', row: ({ roomId }) => `${roomId}\n` };
    case 'ndjson':
      return { head: '', row: (room) => `${JSON.stringify(liveRoomJson(room))}\n` };
    case 'csv':
      return {
        head: `room_id,name,owner,created_at,views${survivors ? ',outcome,finished_at,known' : ''}\r\n`,
        row(room) {
          const { roomId, name, owner, createdAt, views, outcome, finishedAt, known } =
            liveRoomJson(room);
          const cells = [roomId, name, owner, createdAt, views];
          const all = survivors ? [...cells, outcome, finishedAt, known] : cells;
          return `${all.map(csvCell).join(',')}\r\n`;
        },
      };
    case 'table':
      return {
        head: `${line(['room', 'created', 'viewers', 'owner', survivors ? 'known' : 'name'], width)}\n`,
        row(room) {
          const { roomId, owner = '', createdAtMs, views, name = '', known = name } = room;
          const created = createdAtMs === undefined ? '' : dayAndTime(createdAtMs);
          return `${line([roomId, created, String(views ?? ''), owner, known], width)}\n`;
        },
      };
    default:
      return format satisfies never;
  }
}

/** The shape is a contract. */
export function liveRoomJson(room: ListedRoom) {
  return {
    roomId: room.roomId,
    name: room.name,
    owner: room.owner,
    createdAt: isoTime(room.createdAtMs),
    views: room.views,
    ...(room.known === undefined
      ? {}
      : { outcome: room.outcome, finishedAt: isoTime(room.finishedAtMs), known: room.known }),
  };
}

/** @param found - how many were meant. */
export function describeListEnd({ seen, unreadable, movedOn }: ListEnd, found: number): string[] {
  const again = movedOn ? '; the list still moved, so there may be more' : '';
  return [
    `${count(found)} of ${rooms(seen)} that are listed${again}`,
    ...(unreadable > 0 ? [`${rooms(unreadable)} with an id that nobody can ask for`] : []),
    'rooms that are not public are not listed',
  ];
}

/** Rooms are written as they are found, so that no width can be known before. */
const widths = [20, 25, 8, 12] as const;

function line(cells: readonly string[], width: number | undefined): string {
  const last = cells.at(-1) ?? '';
  const others = widths.map((each, index) => {
    const cell = cells[index] ?? '';
    return index === 2 ? cell.padStart(each) : padded(cell, each);
  });
  return fitted([...others, last].join('  ').trimEnd(), width);
}
