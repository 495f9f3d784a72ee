/** One room that is asked for by itself: it goes before lists. */
import type { Precautions } from '../destruction.js';
import { invalid, ReaperError } from '../errors.js';
import type { ProtectedRooms } from '../protected-rooms.js';
import { addOrJoin, type Placement } from '../producer/add.js';
import { lanes } from '../queue/job.js';
import { printable } from '../redact.js';
import { checkRoomId } from '../room-id.js';
import { createdBeforeProblem } from '../when.js';
import { recorded } from './actions.js';
import type { Service } from './service.js';

export interface RoomWish {
  /** Of its destruction; asked for again with the same, it is the same. */
  id: string;
  roomId: string;
  lane: Exclude<Placement['lane'], 'bulk'>;
  /** When it is due, in milliseconds since the epoch; undefined: now. */
  notBeforeMs: number | undefined;
  note: string | undefined;
  by: string;
  precautions?: Precautions;
}

export interface RoomAsked {
  destructionId: string;
  /** `pending`: it was asked for before; `brought_forward`: that goes, or is due, sooner now. */
  state: 'added' | 'pending' | 'brought_forward';
}

/** Longest delay, in milliseconds: BullMQ cannot order jobs that are due after 2039. */
const mostDelayMs = 5 * 365 * 24 * 3_600_000;

/** @throws ReaperError `INVALID` where it is over, or too far ahead. */
export function checkDue(notBeforeMs: number | undefined): void {
  if (notBeforeMs === undefined) return;
  if (notBeforeMs > Date.now() - 60_000 && notBeforeMs < Date.now() + mostDelayMs) return;
  throw new ReaperError(
    'INVALID',
    `what is asked for must be due in the next five years, got ${new Date(notBeforeMs).toISOString()}`,
  );
}

/** @throws ReaperError `INVALID` where rooms that are due then cannot be newer than is asked for. */
export function checkPrecautions(
  { onlyCreatedBeforeMs: beforeMs }: Precautions,
  dueMs = Date.now(),
): void {
  const problem = beforeMs === undefined ? undefined : createdBeforeProblem(beforeMs, dueMs);
  if (problem !== undefined) throw invalid(`onlyCreatedBefore ${problem}`);
}

/**
 * @throws ReaperError `INVALID` where the RoomId or the time cannot be, `REFUSED` where the room is
 *   protected, `UNAVAILABLE` where the queue does not take it, `NO_SPACE` where Redis is full: it may
 *   have been taken all the same, so ask again.
 */
export async function askForRoom(
  service: Service,
  wish: RoomWish,
  protectedRooms: ProtectedRooms,
): Promise<RoomAsked> {
  const { id, roomId, lane, notBeforeMs, note: reason, by, precautions = {} } = wish;
  checkRoomId(roomId);
  checkDue(notBeforeMs);
  checkPrecautions(precautions, notBeforeMs);
  const entry = protectedRooms.protects(roomId);
  if (entry !== undefined) {
    const which = entry === roomId ? '' : ` by ${JSON.stringify(printable(entry))}`;
    throw new ReaperError(
      'REFUSED',
      `roomId must be no protected room, got ${JSON.stringify(roomId)}, which is protected${which}; nothing was asked for`,
    );
  }
  const deed = { what: 'room.destroy', target: id, reason };
  return recorded(service, by, deed, add, ({ destructionId, state }) => ({
    ...{ target: destructionId, counts: { roomId, state } },
  }));

  async function add(): Promise<RoomAsked> {
    const now = Date.now();
    const delayMs = notBeforeMs === undefined ? 0 : Math.max(0, Math.round(notBeforeMs - now));
    const destruction = {
      ...{ id, roomId, batchId: undefined, requestedAtMs: now, ...precautions },
      notAfterMs: Math.floor(now + delayMs + service.config.deadlineHours * 3_600_000),
    };
    const wishes = [{ destruction, priority: lanes[lane] }];
    const { added, moved } = await addOrJoin(await service.queue(), wishes, { lane, delayMs });
    const [only] = added;
    if (only === undefined) throw new Error('the queue returned nothing for the room');
    const pending = moved > 0 ? 'brought_forward' : 'pending';
    return {
      destructionId: only.destructionId,
      state: only.status === 'added' ? 'added' : pending,
    };
  }
}
