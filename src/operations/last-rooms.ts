/**
 * The last rooms of a batch, by name, and why each is not done. Only where few are left: the one
 * question of whoever waits for the end is then which, and why.
 */
import { finishedCount } from '../destruction.js';
import type { BatchProgress } from '../ledger/batches.js';
import { readOpenRooms } from '../ledger/report-rows.js';
import { readFront } from '../queue/rooms-of-batch.js';
import { printable } from '../redact.js';
import { isoTime, withCode } from '../text.js';
import { within } from '../time-limit.js';
import {
  explain,
  measure,
  summaryOf,
  type Explanation,
  type ExplainSource,
  type Measured,
} from './explain.js';

/** Most rooms of a batch that are named, and most batches of which they are. */
const fewRooms = 5;
const fewBatches = 5;

/** Names are looked for again after so long, in milliseconds: that reads all rooms of a batch. */
const findEveryMs = 10_000;

export interface LastRoom {
  roomId: string;
  /** In one sentence, as `explain` has it. */
  summary: string;
  /** Where its job is; undefined: nowhere. */
  state: 'waiting' | 'in_hand' | 'delayed' | 'failed' | undefined;
  /** When it is due, where that is later: milliseconds since the epoch. */
  dueAtMs: number | undefined;
  /** What the API said last, where it was sent. */
  lastAnswer: string | undefined;
}

export interface LastRooms {
  rooms: LastRoom[];
  /** Those that are neither in the ledger nor among the first on the queue. */
  unnamed: number;
}

type Open = Pick<BatchProgress, 'id' | 'total'> & Parameters<typeof finishedCount>[0];

const leftOf = (batch: Open) => batch.total - finishedCount(batch);

/**
 * To be asked again and again.
 *
 * @returns a function of batches, and of what was measured of line and queue for them, where it was:
 *   the last rooms of those that have few, by the id of the batch.
 */
export function createLastRoomsReader(
  source: ExplainSource,
): (batches: readonly Open[], measured?: Measured) => Promise<Map<string, LastRooms>> {
  const found = new Map<string, { roomIds: string[]; atMs: number }>();
  return async (batches, measured) => {
    const few = batches.filter((batch) => leftOf(batch) > 0 && leftOf(batch) <= fewRooms);
    const read = new Map<string, LastRooms>();
    const shown = few.slice(0, fewBatches);
    const now = Date.now();
    const stale = shown.filter(({ id }) => now - (found.get(id)?.atMs ?? 0) >= findEveryMs);
    for (const [id, roomIds] of await findRooms(source, stale))
      found.set(id, { roomIds, atMs: now });
    if (shown.length > 0) measured ??= await measure(source);
    for (const batch of shown) {
      const rooms: LastRoom[] = [];
      for (const roomId of found.get(batch.id)?.roomIds ?? []) {
        const explanation = await explain(source, roomId, measured);
        if (!hasEnded(explanation)) rooms.push(lastRoom(explanation));
      }
      read.set(batch.id, { rooms, unnamed: Math.max(0, leftOf(batch) - rooms.length) });
    }
    return read;
  };
}

/** What workers have taken up is in the ledger; the rest is on the queue alone. */
async function findRooms(
  source: ExplainSource,
  batches: readonly Open[],
): Promise<Map<string, string[]>> {
  const rooms = new Map<string, string[]>(batches.map(({ id }) => [id, []]));
  if (batches.length === 0) return rooms;
  const add = ({ batchId, roomId }: { batchId: string | undefined; roomId: string }) => {
    const known = rooms.get(batchId ?? '');
    if (known !== undefined && known.length < fewRooms && !known.includes(roomId))
      known.push(roomId);
  };
  for (const { id } of batches) (await readOpenRooms(source.database, id, fewRooms)).forEach(add);
  if (batches.some((batch) => (rooms.get(batch.id)?.length ?? 0) < leftOf(batch))) {
    const { queue, jobs } = await source.queue();
    (await readFront(queue, jobs)).forEach(add);
  }
  return rooms;
}

/** It ended since it was found. */
function hasEnded({ pending, history }: Explanation): boolean {
  return pending === undefined && history.destructions[0]?.outcome !== undefined;
}

function lastRoom(explanation: Explanation): LastRoom {
  const { roomId, pending, history, jobs } = explanation;
  const [newest] = history.destructions;
  const job = pending ?? (newest && jobs.get(newest.id));
  const place = job?.place;
  const last = history.destructions.find(({ id }) => id === job?.id)?.attempts.at(-1);
  return {
    roomId,
    summary:
      pending === undefined && place?.state === 'failed'
        ? `in BullMQ's failed set: ${printable(place.reason)}`
        : summaryOf(explanation),
    state: place?.state,
    dueAtMs: place?.state === 'delayed' ? place.dueAtMs : undefined,
    lastAnswer:
      last?.endedAtMs === undefined
        ? undefined
        : withCode(last.reason ?? 'no reason recorded', last.errorCode),
  };
}

/** How often a batch that is followed is looked at, and how long its end waits, in milliseconds. */
const followEveryMs = 2_000;
const endLimitMs = 3_000;

/** Follows one batch, waiting for nothing: while a store does not answer, what was read last counts. */
export function followLastRooms(source: ExplainSource) {
  const read = createLastRoomsReader(source);
  let last: LastRooms | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  function ask(batch: Open): Promise<void> {
    return (asking ??= read([batch])
      .then((found) => {
        last = found.get(batch.id);
      })
      .catch(() => undefined)
      .finally(() => {
        asking = undefined;
      }));
  }
  return {
    /** undefined: more than a few are left, or nothing is known yet. */
    now(batch: Open, nowMs: number): LastRooms | undefined {
      if (nowMs - askedAt >= followEveryMs) {
        askedAt = nowMs;
        void ask(batch);
      }
      return leftOf(batch) > fewRooms ? undefined : last;
    },
    /** The same at its end, after its worker has given back what it had. */
    async atEnd(batch: Open): Promise<LastRooms | undefined> {
      last = undefined;
      const anew = (asking ?? Promise.resolve()).then(() => {
        last = undefined;
        return ask(batch);
      });
      await within(endLimitMs, anew).catch(() => undefined);
      return last;
    },
  };
}

/** Nothing is done before its last room is due. @param seconds - left; undefined: not known. */
export function notBeforeDue(
  seconds: number | undefined,
  last: LastRooms | undefined,
  nowMs: number,
): number | undefined {
  if (seconds === undefined || last === undefined) return seconds;
  return Math.max(seconds, ...last.rooms.map(({ dueAtMs = nowMs }) => (dueAtMs - nowMs) / 1_000));
}

/** The shape is a contract. */
export function lastRoomsJson({ rooms }: LastRooms): object[] {
  return rooms.map(({ roomId, summary, state, dueAtMs, lastAnswer }) => ({
    ...{ roomId, summary, state: state ?? null, dueAt: isoTime(dueAtMs), lastAnswer },
  }));
}
