/** Whether rooms move, and why not: from what was measured, not from what should be. Pure. */
import { isMoving, type Line } from '../ledger/line.js';
import type { SeenWorker } from '../ledger/workers.js';

/** Why nothing moves, or why nobody knows. The words are a contract. */
export type Standstill =
  | 'queue_unknown'
  | 'ledger_unknown'
  /** It can be read, but not written. */
  | 'queue_read_only'
  | 'ledger_read_only'
  /** By hand. */
  | 'paused'
  /** The line is stopped, or in an outage. */
  | 'line_stands'
  | 'no_worker'
  | 'workers_hold_back'
  /** There are workers and rooms, and all the same no slot was taken lately. */
  | 'nothing_sent';

export interface Movement {
  /** undefined: not known. */
  queue: { paused: boolean; readOnly: boolean; roomsAhead: number } | undefined;
  /** undefined: not known. */
  ledger:
    | {
        /** Those that hold the app up; `configured` is the one of this configuration. */
        lines: readonly Line[];
        configured: Line | undefined;
        /** Of the configured line. */
        workers: readonly SeenWorker[];
        sentPerSecond: number;
        isStandby: boolean;
      }
    | undefined;
}

/** Nothing for so long is not a pause between two rooms, in milliseconds. On a slow line, three intervals. */
export const silentForMs = 10_000;

/** undefined: rooms move, or there is none to move. */
export function standstillOf({ queue, ledger }: Movement): Standstill | undefined {
  if (queue === undefined) return 'queue_unknown';
  if (queue.readOnly) return 'queue_read_only';
  if (queue.paused) return 'paused';
  if (ledger === undefined) return 'ledger_unknown';
  if (ledger.isStandby) return 'ledger_read_only';
  if (!ledger.lines.every(({ state }) => isMoving(state))) return 'line_stands';
  if (queue.roomsAhead === 0) return undefined;
  const alive = ledger.workers.filter((worker) => worker.isAlive);
  if (alive.length === 0) return 'no_worker';
  const works = alive.some(({ state }) => state === 'running' || state === 'probing');
  if (!works) return 'workers_hold_back';
  const { configured: line, sentPerSecond } = ledger;
  return sentPerSecond > 0 || hasBegun(alive) || hasFreshSlot(line) ? undefined : 'nothing_sent';
}

/** One that has just been started has sent nothing yet. */
function hasBegun(alive: readonly SeenWorker[]): boolean {
  return alive.some(({ seenAtMs, startedAtMs }) => seenAtMs - startedAtMs < silentForMs);
}

/** A slot that lies far ahead was taken before the clock went back. */
function hasFreshSlot(line: Line | undefined): boolean {
  if (line?.lastSlotMs === undefined) return false;
  const limitMs = Math.max(silentForMs, 3_000 / line.ratePerSecond);
  return Math.abs(line.databaseNowMs - line.lastSlotMs) < limitMs;
}

/**
 * The same in words, and what to do. undefined where the line says more of itself, or a store is away.
 *
 * @param queueReadOnly - why the queue is, in words.
 */
export function whyNothingMoves(
  standstill: Standstill,
  queueReadOnly: string | undefined,
): string | undefined {
  switch (standstill) {
    case 'no_worker':
      return 'no worker is at work; start one with `room-reaper worker`';
    case 'workers_hold_back':
      return 'every worker at work holds back or stands';
    case 'nothing_sent':
      return 'nothing was sent in the last 10 s, so no time is told; see the log of the workers';
    case 'queue_read_only':
      return queueReadOnly ?? 'the queue is read-only';
    case 'ledger_read_only':
      return 'the ledger is a read-only standby; set DATABASE_URL to the primary, or wait for it';
    case 'queue_unknown':
    case 'ledger_unknown':
    case 'paused':
    case 'line_stands':
      return undefined;
    default:
      return standstill satisfies never;
  }
}
