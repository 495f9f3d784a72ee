/**
 * Which rooms are live. The API's list is in the order of the viewers and moves while it is read, so
 * it is read again until a pass brings nothing new. Rooms that are not public are probably not in it.
 */
import { invalid } from '../errors.js';
import { entryProblem, protectedRooms } from '../protected-rooms.js';
import type { LiveRoom } from '../tencent/rooms.js';
import { openRoomPages } from './room-pages.js';
import type { Service } from './service.js';

export type { LiveRoom };

/** Which rooms are meant; what is undefined leaves none out. */
export interface LiveRoomsWish {
  /** Milliseconds since the epoch. A room that does not say when it was created is left out. */
  createdBeforeMs?: number | undefined;
  createdAfterMs?: number | undefined;
  owner?: string | undefined;
  /** A RoomId, in which `*` stands for anything. */
  match?: string | undefined;
  minViews?: number | undefined;
}

/** How far the reading is. */
export interface ListProgress {
  pass: number;
  pages: number;
  /** Different rooms so far, whether or not they are meant. */
  seen: number;
}

/** What one page brought. */
export interface ListedPage<R = LiveRoom> extends ListProgress {
  /** Those that are meant and did not come before; often none. */
  rooms: R[];
  /** When it was asked for: milliseconds since the epoch, on the ledger's clock. */
  askedAtMs: number;
}

/** What the reading came to, beside the rooms. */
export interface ListEnd extends ListProgress {
  /** Rooms whose id is none that can be asked for. */
  unreadable: number;
  /** The last pass brought new rooms still: there may be more. */
  movedOn: boolean;
}

/** Most times that the list is read. */
const mostPasses = 3;

/** Twenty rooms a page: more than a hundred million rooms are a list that never ends. */
const mostPages = 5_000_000;

const never = new AbortController().signal;

/**
 * The rooms that are meant, page by page as they are found, each room once.
 *
 * @param signal - ends it: what is under way rejects with its reason.
 * @returns what the reading came to.
 * @throws ReaperError `INVALID` where no room can be meant, without a key, or where the API refuses
 *   it; `UNAVAILABLE` where the line of the app is stopped, or the API does not answer.
 */
export async function* readLiveRooms(
  service: Service,
  wish: LiveRoomsWish,
  signal: AbortSignal = never,
): AsyncGenerator<ListedPage, ListEnd> {
  const isMeant = filterOf(wish);
  const pages = await openRoomPages(service, signal);
  const seen = new Set<string>();
  const told: ListProgress = { pass: 0, pages: 0, seen: 0 };
  let unreadable = 0;
  let brought: number;
  try {
    do {
      told.pass += 1;
      brought = 0;
      let next = '';
      const cursors = new Set<string>();
      do {
        const page = await pages.read(next);
        const fresh = page.rooms.filter(({ roomId }) => !seen.has(roomId) && seen.add(roomId));
        brought += fresh.length;
        told.pages += 1;
        told.seen = seen.size;
        if (told.pass === 1) unreadable += page.unreadable;
        yield { ...told, rooms: fresh.filter(isMeant), askedAtMs: page.askedAtMs };
        next = page.next;
        // A cursor that comes again would lead in a circle.
        if (cursors.has(next) || told.pages >= mostPages) break;
        cursors.add(next);
      } while (next !== '');
    } while (brought > 0 && told.pass < mostPasses);
    return { ...told, unreadable, movedOn: brought > 0 };
  } finally {
    pages.close();
  }
}

/** @throws ReaperError `INVALID` where no room can be meant. */
function filterOf(wish: LiveRoomsWish): (room: LiveRoom) => boolean {
  const { owner, match, minViews } = wish;
  const isOfTime = timeFilter(wish);
  const problem = match === undefined ? undefined : entryProblem(match);
  if (problem !== undefined) throw invalid(`match ${problem}`);
  const pattern = match === undefined ? undefined : protectedRooms([match]);
  return (room) =>
    isOfTime(room.createdAtMs) &&
    (owner === undefined || room.owner === owner) &&
    (minViews === undefined || (room.views ?? -1) >= minViews) &&
    (pattern === undefined || pattern.protects(room.roomId) !== undefined);
}

function timeFilter({ createdBeforeMs, createdAfterMs }: LiveRoomsWish) {
  if (createdBeforeMs === undefined && createdAfterMs === undefined) return () => true;
  const [after, before] = [createdAfterMs ?? -Infinity, createdBeforeMs ?? Infinity];
  if (after >= before) {
    throw invalid(
      `created-after must be a time before created-before, got ${[after, before].map((ms) => new Date(ms).toISOString()).join(' and ')}; no room is both`,
    );
  }
  return (createdAtMs: number | undefined) =>
    createdAtMs !== undefined && createdAtMs > after && createdAtMs < before;
}
