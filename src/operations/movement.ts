/** What is measured of queue and line, and whether rooms move: the same for every answer that tells it. */
import type { Database } from '../ledger/database.js';
import { haltOf, readHaltedReads, readLines, type HaltedRead, type Line } from '../ledger/line.js';
import { readRequestsLately, type RequestsLately } from '../ledger/requests-lately.js';
import { readWorkers, type SeenWorker } from '../ledger/workers.js';
import { readDepth, readOldestWaiting, type QueueDepth } from '../queue/depth.js';
import type { OpenQueue } from '../queue/open.js';
import type { PauseMark } from '../queue/pause.js';
import type { ServiceLine } from './service.js';
import { standstillOf, type Standstill } from './standstill.js';

export interface QueueStatus extends QueueDepth {
  /** When the room that waits longest was asked for, in milliseconds since the epoch; undefined: none waits. */
  oldestAtMs?: number | undefined;
  /** Who paused it, where that is known. */
  pause?: PauseMark | undefined;
  /** Why it can be read and not written, in words. */
  readOnly?: string;
}

export interface StatusLine extends Line {
  /** It was stopped, or in an outage, and then left: the configured host is another, and runs since. */
  left: boolean;
}

export interface LineFacts extends RequestsLately {
  lines: StatusLine[];
  /** The line of this configuration; undefined: no worker has run on its host yet. */
  configured: Line | undefined;
  /** Commands that only read and do not run. */
  haltedReads: HaltedRead[];
  /** Of the app, on whatever host. */
  workers: SeenWorker[];
}

export async function readQueueStatus({ queue, lookUp, pause }: OpenQueue): Promise<QueueStatus> {
  const depth = await readDepth(queue);
  const mark = depth.paused ? { pause: await pause.read() } : {};
  const readOnly = await lookUp.refusesWrites();
  const oldestAtMs = await readOldestWaiting(queue, depth);
  return { ...depth, oldestAtMs, ...mark, ...(readOnly === undefined ? {} : { readOnly }) };
}

export async function readLineFacts(
  database: Database,
  { lineKey: { sdkAppId, host }, intervalMs }: ServiceLine,
): Promise<LineFacts> {
  const lines = await readLines(database, sdkAppId, intervalMs);
  const configured = lines.find((line) => line.host === host);
  return {
    lines: lines.map((line) => ({ ...line, left: isLeft(line, configured) })),
    ...{ configured, haltedReads: await readHaltedReads(database, sdkAppId) },
    workers: await readWorkers(database, sdkAppId),
    ...(await readRequestsLately(database, sdkAppId)),
  };
}

function isLeft({ host, state }: Line, configured: Line | undefined): boolean {
  const sinceMs = haltOf(state)?.sinceMs;
  if (sinceMs === undefined || configured === undefined || configured.host === host) return false;
  return configured.state.kind !== 'stopped' && (configured.lastSlotMs ?? 0) > sinceMs;
}

/**
 * Why nothing moves; undefined: rooms move, or there is none to move.
 *
 * @param queue - undefined: not known; so too of `facts`.
 */
export function standstillIn(
  queue: QueueStatus | undefined,
  facts: LineFacts | undefined,
  { lineId }: Pick<ServiceLine, 'lineId'>,
): Standstill | undefined {
  return standstillOf({
    queue: queue && {
      ...{ paused: queue.paused, readOnly: queue.readOnly !== undefined },
      roomsAhead: queue.waiting + queue.active,
    },
    ledger: facts && {
      ...facts,
      lines: facts.lines.filter((line) => !line.left),
      workers: facts.workers.filter((worker) => worker.lineId === lineId),
    },
  });
}
