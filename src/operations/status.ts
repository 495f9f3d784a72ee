/** How the service stands: the line, its rate, what waits, how long that takes, the batches. */
import { countsOf, finishedCount, readBatches, type BatchProgress } from '../ledger/batches.js';
import { haltOf, isMoving, readLines, type Line } from '../ledger/line.js';
import { readRequestsLately } from '../ledger/requests-lately.js';
import { readWorkers, type SeenWorker } from '../ledger/workers.js';
import { readDepth, type QueueDepth } from '../queue/depth.js';
import { isoTime, rounded } from '../text.js';
import { mostOfOneName, noSuchBatch } from './find-batch.js';
import { secondsLeft } from './forecast.js';
import { haltJson, lineWords } from './line.js';
import { paceOf } from './look-ahead.js';
import type { Service } from './service.js';

export type { SeenWorker };

interface StatusLine extends Line {
  /** It was stopped, or in an outage, and then left: the configured host is another, and runs since. */
  left: boolean;
}

export interface Status {
  /** By hand. */
  paused: boolean;
  lines: StatusLine[];
  /** The host that the configuration names. */
  host: string;
  queue: QueueDepth;
  /** Those at work, and those that stopped saying so in the last minutes. */
  workers: SeenWorker[];
  /** What was sent in the last ten seconds, over all workers. */
  sentPerSecond: number;
  /**
   * Seconds until everything that is due now is done, with the retries that rooms cost lately;
   * undefined where nothing moves: the line stands, or no worker is at work on it.
   */
  etaSeconds: number | undefined;
  batches: StatusBatch[];
}

export interface StatusBatch extends BatchProgress {
  finished: number;
  /** Whether rooms of it have not ended. */
  isMoving: boolean;
  /** At its own rate of the last seconds; undefined where it has ended or nothing of it ends. */
  etaSeconds: number | undefined;
}

/** Batches shown where none is asked for. */
const batchesShown = 10;

/**
 * @param batch - only this one, by id or name.
 * @throws ReaperError `NOT_FOUND` where there is no such batch.
 */
export async function readStatus(service: Service, batch?: string): Promise<Status> {
  const { database, config, intervalMs } = service;
  const { sdkAppId } = config;
  const { host } = service.lineKey;
  const { queue } = await service.queue();
  const lines = await readLines(database, sdkAppId, intervalMs);
  const depth = await readDepth(queue);
  const batches = await readBatches(
    database,
    sdkAppId,
    batch === undefined ? { limit: batchesShown } : { idOrName: batch, limit: mostOfOneName },
  );
  if (batch !== undefined && batches.length === 0) throw noSuchBatch(batch);
  const configured = lines.find((line) => line.host === host);
  const shown = lines.map((line) => ({ ...line, left: isLeft(line, configured) }));
  const workers = await readWorkers(database, sdkAppId);
  const isWorkedOn = workers.some((each) => each.isAlive && each.lineId === service.lineId);
  const roomsAhead = depth.waiting + depth.active;
  const moves =
    (isWorkedOn || roomsAhead === 0) &&
    !depth.paused &&
    shown.every((line) => isMoving(line.state) || line.left);
  const { requestsPerRoom, sentPerSecond } = await readRequestsLately(database, sdkAppId);
  const pace = paceOf(configured, intervalMs, requestsPerRoom, depth.paused);
  return {
    paused: depth.paused,
    lines: shown,
    host,
    queue: depth,
    workers,
    sentPerSecond,
    etaSeconds: moves ? secondsLeft({ ...pace, roomsAhead }) : undefined,
    batches: batches.map(withProgress),
  };
}

function isLeft({ host, state }: Line, configured: Line | undefined): boolean {
  const sinceMs = haltOf(state)?.sinceMs;
  if (sinceMs === undefined || configured === undefined || configured.host === host) return false;
  return configured.state.kind !== 'stopped' && (configured.lastSlotMs ?? 0) > sinceMs;
}

function withProgress(batch: BatchProgress): StatusBatch {
  const finished = finishedCount(batch);
  const isMoving = batch.finishedAtMs === undefined && finished < batch.total;
  const ends = isMoving && batch.cancelledAtMs === undefined && batch.ratePerSecond > 0;
  const etaSeconds = ends ? (batch.total - finished) / batch.ratePerSecond : undefined;
  return { ...batch, finished, isMoving, etaSeconds };
}

/** The shape is a contract. */
export function statusJson(status: Status): object {
  const isStopped = status.lines.some(({ state, left }) => state.kind === 'stopped' && !left);
  return {
    line: status.paused ? 'paused' : isStopped ? 'stopped' : 'running',
    lines: status.lines.map(({ host, state, ratePerSecond, brakeReason, quotaFound }) => ({
      host,
      state: lineWords[state.kind],
      ratePerSecond: rounded(ratePerSecond),
      brakeReason,
      quotaFound: quotaFound && {
        ratePerSecond: rounded(quotaFound.ratePerSecond),
        at: isoTime(quotaFound.atMs),
      },
      ...haltJson(state),
    })),
    sentPerSecond: rounded(status.sentPerSecond),
    workers: status.workers.map((worker) => ({
      host: worker.host,
      pid: worker.pid,
      version: worker.version,
      alive: worker.isAlive,
      state: worker.state,
      reason: worker.reason,
      inHand: worker.inHand,
      keyFingerprint: worker.keyFingerprint,
      startedAt: isoTime(worker.startedAtMs),
      seenAt: isoTime(worker.seenAtMs),
    })),
    queue: status.queue,
    etaSeconds: status.etaSeconds === undefined ? null : rounded(status.etaSeconds),
    batches: status.batches.map(batchJson),
  };
}

function batchJson(batch: StatusBatch): object {
  return {
    id: batch.id,
    name: batch.name,
    total: batch.total,
    finished: batch.finished,
    outcomes: countsOf(batch),
    by: batch.by,
    note: batch.note,
    parentId: batch.parentId,
    replayOf: batch.origin,
    createdAt: isoTime(batch.createdAtMs),
    finishedAt: isoTime(batch.finishedAtMs),
    cancelledAt: isoTime(batch.cancelledAtMs),
    cancelledBy: batch.cancelledBy,
    ratePerSecond: batch.isMoving ? rounded(batch.ratePerSecond) : undefined,
    etaSeconds: batch.etaSeconds === undefined ? undefined : rounded(batch.etaSeconds),
  };
}
