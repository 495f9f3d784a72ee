/**
 * Which rooms are live, by get_room_list: ten pages of twenty rooms a second, over all who ask for
 * the app. The list is in the order of the viewers and moves while it is read, so it is read again
 * until a pass brings nothing new. Rooms that are not public are probably not in it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReaperError } from '../errors.js';
import { brakeLine, lineId } from '../ledger/line.js';
import { reserveReads, type ReadReservation } from '../ledger/reserve-reads.js';
import { openLedgerClock } from '../limiter/clock.js';
import { createLimiter, type LaneWish, type Limiter } from '../limiter/limiter.js';
import { slotInterval, slotsInWindow } from '../limiter/pace.js';
import { createSlotTimer } from '../limiter/slot-timer.js';
import { protectedRooms } from '../protected-rooms.js';
import type { Answer } from '../tencent/answer.js';
import { createApiClient, type ApiClient } from '../tencent/client.js';
import { roomListCommand, roomListQuota } from '../tencent/endpoint.js';
import { readRoomPage, type LiveRoom, type RoomPage } from '../tencent/rooms.js';
import { createSigner, type Signer } from '../tencent/user-sig.js';
import { judge } from '../tencent/verdicts.js';
import { withCode } from '../text.js';
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

export interface LiveRoomsRun {
  onProgress?: (progress: ListProgress) => void;
  signal?: AbortSignal | undefined;
}

/** Most times that the list is read. */
const mostPasses = 3;

/** How often a page is asked for that is not answered, and how long after the first failure, in milliseconds; doubles. */
const triesPerPage = 6;
const firstPauseMs = 250;

/** Twenty rooms a page: more than a hundred million rooms are a list that never ends. */
const mostPages = 5_000_000;

/** What the reading came to, beside the rooms. */
export interface ListEnd extends ListProgress {
  /** Rooms whose id is none that can be asked for. */
  unreadable: number;
  /** The last pass brought new rooms still: there may be more. */
  movedOn: boolean;
}

/**
 * The rooms that are meant, as they are found, each once.
 *
 * @returns what the reading came to.
 * @throws ReaperError `INVALID` without a key, or where the API refuses it; `UNAVAILABLE` where the
 *   line of the app is stopped, or the API does not answer.
 */
export async function* readLiveRooms(
  service: Service,
  wish: LiveRoomsWish,
  { onProgress, signal }: LiveRoomsRun = {},
): AsyncGenerator<LiveRoom[], ListEnd> {
  const isMeant = filterOf(wish);
  const list = await openList(service, signal);
  const seen = new Set<string>();
  let unreadable = 0;
  let pages = 0;
  let pass = 0;
  let brought: number;
  try {
    do {
      pass += 1;
      brought = 0;
      let next = '';
      const cursors = new Set<string>();
      do {
        const page = await list.read(next);
        pages += 1;
        const fresh = page.rooms.filter(({ roomId }) => !seen.has(roomId) && seen.add(roomId));
        brought += fresh.length;
        if (pass === 1) unreadable += page.unreadable;
        onProgress?.({ pass, pages, seen: seen.size });
        const meant = fresh.filter(isMeant);
        if (meant.length > 0) yield meant;
        next = page.next;
        // A cursor that comes again would lead in a circle.
        if (cursors.has(next) || pages >= mostPages) break;
        cursors.add(next);
      } while (next !== '');
    } while (brought > 0 && pass < mostPasses);
    return { pass, pages, seen: seen.size, unreadable, movedOn: brought > 0 && pass > 1 };
  } finally {
    list.close();
  }
}

function filterOf(wish: LiveRoomsWish): (room: LiveRoom) => boolean {
  const { createdBeforeMs, createdAfterMs, owner, match, minViews } = wish;
  const pattern = match === undefined ? undefined : protectedRooms([match]);
  return (room) => {
    const { createdAtMs, views } = room;
    if (
      createdBeforeMs !== undefined &&
      !(createdAtMs !== undefined && createdAtMs < createdBeforeMs)
    )
      return false;
    if (
      createdAfterMs !== undefined &&
      !(createdAtMs !== undefined && createdAtMs > createdAfterMs)
    )
      return false;
    if (owner !== undefined && room.owner !== owner) return false;
    if (minViews !== undefined && !(views !== undefined && views >= minViews)) return false;
    return pattern === undefined || pattern.protects(room.roomId) !== undefined;
  };
}

interface OpenList {
  /** @param next - where the page begins; empty: the first. */
  read(next: string): Promise<RoomPage>;
  close(): void;
}

/** What a page is asked for with. */
interface Asking {
  client: ApiClient;
  signer: Signer;
  limiter: Limiter<LaneWish, ReadReservation>;
  signal: AbortSignal;
  brake(reason: string): Promise<void>;
}

async function openList(service: Service, signal?: AbortSignal): Promise<OpenList> {
  const { config, database, lineKey } = service;
  const { credentials, endpoint, proxy, requestTimeoutMs, arrivalJitterMs: jitterMs } = config;
  if (credentials === undefined) {
    throw new ReaperError(
      'INVALID',
      'TENCENT_SECRET_KEY must be set to the key of your app; listing rooms signs requests',
    );
  }
  const closing = new AbortController();
  const clock = await openLedgerClock(database);
  const line = { ...lineKey, command: roomListCommand };
  const intervalMs = slotInterval(roomListQuota, jitterMs);
  const limiter = await createLimiter<LaneWish, ReadReservation>({
    ...{ database, clock, line, intervalMs, jitterMs },
    reserve: reserveReads,
    timer: createSlotTimer(() => clock.monotonic()),
    windowSlots: slotsInWindow(roomListQuota),
    workerId: randomUUID(),
    onLead: () => undefined,
    onDatabase: () => undefined,
    onAnswer: () => undefined,
    onSlowLedger: () => undefined,
    onOutage: () => undefined,
    answeredAtMs: () => undefined,
  });
  const signer = createSigner(credentials);
  const client = createApiClient({ credentials, endpoint, proxy, signer, requestTimeoutMs });
  const asking: Asking = {
    ...{ client, signer, limiter },
    signal: signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
    brake: async (reason) => {
      await brakeLine(database, lineId(line), intervalMs, reason);
    },
  };
  return {
    read: (next) => readPage(next, asking),
    close() {
      closing.abort();
      clock.close();
      client.close();
    },
  };
}

async function readPage(next: string, asking: Asking): Promise<RoomPage> {
  let trouble = '';
  for (let failures = 0, renewed = false; failures < triesPerPage;) {
    const answer = await ask(next, asking);
    const verdict = judge(answer.answer);
    trouble = withCode(verdict.reason, answer.code);
    switch (verdict.word) {
      case 'destroyed': {
        const response = answer.answer.kind === 'reply' ? answer.answer.response : undefined;
        const page = readRoomPage(response);
        if (page !== undefined) return page;
        trouble = 'the answer is not the documented list of rooms';
        break;
      }
      case 'over_quota':
        await asking.brake(verdict.reason);
        continue;
      case 'stale_signature':
        if (!renewed && asking.signer.renew(answer.sig)) {
          renewed = true;
          continue;
        }
        throw refused(trouble, verdict.remedy);
      case 'stop_line':
        throw refused(trouble, verdict.remedy);
      case 'gone':
      case 'rejected':
        throw refused(trouble, 'see whether Live is enabled for the app in the console');
      case 'transient':
        break;
      default:
        verdict.word satisfies never;
    }
    failures += 1;
    await sleep(firstPauseMs * 2 ** failures, undefined, { signal: asking.signal });
  }
  throw new ReaperError(
    'UNAVAILABLE',
    `the API does not tell which rooms are live: ${trouble}; run it again later`,
  );
}

function refused(why: string, remedy: string | undefined): ReaperError {
  return new ReaperError(
    'INVALID',
    `the API refuses to tell which rooms are live: ${why}${remedy === undefined ? '' : `; ${remedy}`}`,
  );
}

async function ask(next: string, { client, signer, limiter, signal }: Asking) {
  for (;;) {
    const request = client.prepareRoomList(next);
    try {
      await request.ready;
      const reservation = await limiter.takeSlot({ lane: 0 }, signal);
      if (reservation.kind === 'stopped') throw standsStill(reservation);
      if (!request.isUsable() || request.sig !== signer.current()) continue;
      limiter.use(reservation.slotAtMs);
      const answer: Answer = await request.release(() => limiter.written(reservation.slotAtMs));
      const code = answer.kind === 'reply' ? answer.errorCode : undefined;
      return { answer, code, sig: request.sig };
    } finally {
      request.abandon();
    }
  }
}

function standsStill({ line, isApp }: Extract<ReadReservation, { kind: 'stopped' }>): ReaperError {
  const what = isApp ? 'the line is stopped' : 'get_room_list is stopped';
  const remedy = line.remedy === undefined ? '' : `; ${line.remedy}`;
  return new ReaperError('UNAVAILABLE', `${what}: ${withCode(line.reason, line.code)}${remedy}`);
}
