/** How the service stands: the line, its rate, what waits, how long that takes, the batches. */
import { resolve } from 'node:path';
import type { ReaperError } from '../errors.js';
import { readFailingDeliveries, type FailingDeliveries } from '../ledger/events.js';
import { countsOf, finishedCount } from '../destruction.js';
import { readBatches, type BatchProgress } from '../ledger/batches.js';
import { isMoving, type HaltedRead } from '../ledger/line.js';
import type { SeenWorker } from '../ledger/workers.js';
import { takeOverMs } from '../passing.js';
import type { BatchStatus } from '../producer/options.js';
import { deliveriesRemedy, isoTime, precautionsJson, rounded } from '../text.js';
import { mostOfOneName, noSuchBatch } from './find-batch.js';
import { secondsLeft } from './forecast.js';
import type { Measured } from './explain.js';
import { haltJson, lineWords } from './line.js';
import {
  createLastRoomsReader,
  lastRoomsJson,
  notBeforeDue,
  type LastRooms,
} from './last-rooms.js';
import { mostPerSecond, paceOf } from './look-ahead.js';
import {
  readLineFacts,
  readQueueStatus,
  standstillIn,
  type LineFacts,
  type QueueStatus,
  type StatusLine,
} from './movement.js';
import { pauseJson } from './pause.js';
import { appOf, type Service } from './service.js';
import type { Standstill } from './standstill.js';
import {
  describeLedgerTrouble,
  describeQueueTrouble,
  lookAt,
  sourcesOf,
  type StatusSources,
} from './status-sources.js';

export type { QueueStatus, SeenWorker, Standstill };

/** What the ledger says. */
export interface LedgerStatus {
  lines: StatusLine[];
  /** Commands that only read and do not run: rooms that need them wait, the others go on. */
  haltedReads: HaltedRead[];
  /** Those at work, and those that stopped saying so in the last minutes. */
  workers: SeenWorker[];
  /** What was sent in the last ten seconds, over all workers. */
  sentPerSecond: number;
  batches: StatusBatch[];
  /** undefined: none fails. */
  notifications?: FailingDeliveries | undefined;
}

export interface Status {
  /** Whose rooms, and where. */
  app: string;
  /** Where the embedded database should be and is not; undefined: there is no such thing. */
  nothingIn?: string;
  /** The host that the configuration names. */
  host: string;
  /** undefined: it is away, see `trouble`. */
  queue: QueueStatus | undefined;
  /** undefined: it is away, see `trouble`. */
  ledger: LedgerStatus | undefined;
  /** Of a store that is away: which, and why. */
  trouble: { queue?: ReaperError | undefined; ledger?: ReaperError | undefined };
  /** Why nothing moves, or why nobody knows; undefined: rooms move, or there are none. */
  standstill: Standstill | undefined;
  /**
   * Seconds until everything that is due now is done, with the retries that rooms cost lately;
   * undefined where nothing moves.
   */
  etaSeconds: number | undefined;
}

export interface StatusBatch extends BatchProgress {
  finished: number;
  /** Whether rooms of it have not ended. */
  isMoving: boolean;
  /** Where few rooms are left: which, and why. */
  last?: LastRooms | undefined;
  /** At its own rate of the last seconds; undefined where it has ended or nothing of it ends. */
  etaSeconds: number | undefined;
}

/** Batches shown where none is asked for. */
const batchesShown = 10;

/** How long each store may take to answer, in milliseconds. */
const answerLimitMs = 10_000;

/**
 * @param batch - only this one, by id or name.
 * @throws ReaperError `NOT_FOUND` where there is no such batch.
 */
export function readStatus(service: Service, batch?: string): Promise<Status> {
  return createStatusReader(sourcesOf(service), batch)();
}

/** The same to be asked again and again. A store that is away is no error: the rest is told. */
export function createStatusReader(
  sources: StatusSources,
  batch: string | undefined,
  limitMs?: number,
): () => Promise<Status> {
  const { config, lineKey, intervalMs } = sources;
  // The embedded database may have to be taken over first.
  const limitOf = (url: string) =>
    limitMs ?? (url === 'embedded' ? takeOverMs + answerLimitMs : answerLimitMs);
  const readQueue = lookAt(
    async () => readQueueStatus(await sources.queue()),
    limitOf(config.queueUrl),
    (error) => describeQueueTrouble(config, error),
  );
  const readLast = lookAt(
    () => lastRooms(),
    limitOf(config.queueUrl),
    (error) => describeQueueTrouble(config, error),
  );
  let seen: Measured & { moving: BatchProgress[] };
  let last: ReturnType<typeof createLastRoomsReader> | undefined;
  async function lastRooms() {
    last ??= createLastRoomsReader({ ...sources, database: await sources.ledger() });
    return last(seen.moving, seen);
  }
  const readLedger = lookAt(
    () => ledgerFacts(sources, batch),
    limitOf(config.databaseUrl),
    (error) => describeLedgerTrouble(config, error),
  );
  return async () => {
    if (sources.areUnmade()) return emptyStatus(sources, batch);
    const [queue, ledger] = await Promise.all([readQueue(), readLedger()]);
    const depth = queue.value;
    const facts = ledger.value;
    let lastOnes: Map<string, LastRooms> | undefined;
    // Both are needed for it; a store that does not answer has been told above.
    if (depth && facts) {
      const moving = facts.batches.filter((each) => each.finishedAtMs === undefined);
      seen = { depth, facts, moving };
      lastOnes = (await readLast()).value;
    }
    const roomsAhead = depth && depth.waiting + depth.active;
    const standstill = standstillIn(depth, facts, sources);
    const pace = facts && paceOf(facts.configured, intervalMs, facts.requestsPerRoom, false);
    const seconds =
      pace && roomsAhead !== undefined && standstill === undefined
        ? secondsLeft({ ...pace, roomsAhead })
        : undefined;
    return {
      app: appOf(config),
      host: lineKey.host,
      queue: depth,
      ledger: facts && {
        ...{ lines: facts.lines, haltedReads: facts.haltedReads, workers: facts.workers },
        sentPerSecond: facts.sentPerSecond,
        batches: facts.batches.map((each) =>
          withProgress(each, standstill, lastOnes?.get(each.id)),
        ),
        notifications: facts.notifications,
      },
      trouble: { queue: queue.trouble, ledger: ledger.trouble },
      standstill,
      etaSeconds:
        seconds && facts && Math.max(seconds, leastSeconds(config, facts.batches, roomsAhead ?? 0)),
    };
  };
}

/** How long what is due takes at least: rooms of which a snapshot is taken go no faster than those. */
function leastSeconds(
  config: StatusSources['config'],
  batches: readonly BatchProgress[],
  roomsAhead: number,
): number {
  const slow = batches.filter(
    (each) =>
      each.finishedAtMs === undefined &&
      each.cancelledAtMs === undefined &&
      each.precautions.snapshot,
  );
  const rooms = slow.reduce((sum, each) => sum + each.total - finishedCount(each), 0);
  // What is not due yet is no part of it.
  return Math.min(rooms, roomsAhead) / (mostPerSecond(config, { snapshot: true }) ?? Infinity);
}

/** Of a service that was never used; a batch is none of it. */
function emptyStatus({ config, lineKey }: StatusSources, batch: string | undefined): Status {
  if (batch !== undefined) throw noSuchBatch(batch);
  const lanes = { urgent: 0, retry: 0, normal: 0, bulk: 0 };
  return {
    ...{ app: appOf(config), host: lineKey.host, nothingIn: resolve(config.dataDir) },
    queue: { paused: false, waiting: 0, lanes, active: 0, delayed: 0, failed: 0 },
    ledger: { lines: [], haltedReads: [], workers: [], sentPerSecond: 0, batches: [] },
    ...{ trouble: {}, standstill: undefined, etaSeconds: undefined },
  };
}

async function ledgerFacts(
  sources: StatusSources,
  batch: string | undefined,
): Promise<LineFacts & Pick<LedgerStatus, 'notifications'> & { batches: BatchProgress[] }> {
  const { sdkAppId } = sources.config;
  const database = await sources.ledger();
  const batches = await readBatches(
    database,
    sdkAppId,
    batch === undefined ? { limit: batchesShown } : { idOrName: batch, limit: mostOfOneName },
  );
  if (batch !== undefined && batches.length === 0) throw noSuchBatch(batch);
  const notifications = await readFailingDeliveries(database, sdkAppId);
  return { ...(await readLineFacts(database, sources)), batches, notifications };
}

function withProgress(
  batch: BatchProgress,
  standstill: Standstill | undefined,
  last?: LastRooms,
): StatusBatch {
  const finished = finishedCount(batch);
  const isMoving = batch.finishedAtMs === undefined && finished < batch.total;
  const isAwaited = isMoving && batch.cancelledAtMs === undefined && standstill === undefined;
  const ends = isAwaited && batch.ratePerSecond > 0;
  const etaSeconds = ends ? (batch.total - finished) / batch.ratePerSecond : undefined;
  const dueSeconds = notBeforeDue(etaSeconds, last, Date.now());
  return { ...batch, finished, isMoving, last, etaSeconds: dueSeconds };
}

/** The shape is a contract. What a store that is away would say is null. */
export function statusJson(status: Status): object {
  const { queue, ledger, trouble } = status;
  const away = [trouble.queue, trouble.ledger].flatMap((error) => error?.message ?? []);
  return {
    line: lineWord(status),
    lines:
      ledger?.lines.map(({ host, state, left, ratePerSecond, brakeReason, quotaFound }) => ({
        host,
        left: left || undefined,
        state: queue?.paused && isMoving(state) ? lineWords.paused : lineWords[state.kind],
        ratePerSecond: rounded(ratePerSecond),
        brakeReason,
        quotaFound: quotaFound && {
          ratePerSecond: rounded(quotaFound.ratePerSecond),
          at: isoTime(quotaFound.atMs),
        },
        ...haltJson(state),
      })) ?? null,
    reads: ledger && readsJson(ledger.haltedReads),
    sentPerSecond: ledger ? rounded(ledger.sentPerSecond) : null,
    workers:
      ledger?.workers.map((worker) => ({
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
      })) ?? null,
    queue: queue ? queueJson(queue) : null,
    etaSeconds: status.etaSeconds === undefined ? null : rounded(status.etaSeconds),
    noEtaBecause: status.standstill,
    batches: ledger?.batches.map(batchJson) ?? null,
    notifications: ledger?.notifications && deliveriesJson(ledger.notifications),
    unreachable: away.length === 0 ? undefined : away.join('; '),
  };
}

function queueJson({ oldestAtMs, pause, ...depth }: QueueStatus): object {
  return { ...depth, oldestAt: isoTime(oldestAtMs), pause: pauseJson(pause) };
}

/** Only where one does not run. */
function readsJson(halted: readonly HaltedRead[]): object | undefined {
  if (halted.length === 0) return undefined;
  return halted.map(({ host, command, halt }) => ({
    ...{ host, command, ...haltJson({ kind: halt.outage ? 'outage' : 'stopped', halt }) },
  }));
}

function deliveriesJson({ waiting, givenUp, sinceMs, trouble }: FailingDeliveries): object {
  return { waiting, givenUp, since: isoTime(sinceMs), trouble, remedy: deliveriesRemedy };
}

/** `running` is said of what is seen and can be worked on, and of nothing else. */
function lineWord({ queue, ledger, standstill }: Status): string {
  if (queue?.paused) return 'paused';
  if (ledger?.lines.some(({ state, left }) => state.kind === 'stopped' && !left)) return 'stopped';
  return /_(unknown|read_only)$/.test(standstill ?? '') ? 'unavailable' : 'running';
}

/** At its own rate of the last seconds, whatever else is known of the line. */
export function batchStatus(batch: BatchProgress): BatchStatus {
  return batchJson(withProgress(batch, undefined));
}

function batchState(batch: StatusBatch): BatchStatus['state'] {
  if (batch.cancelledAtMs !== undefined) return 'cancelled';
  if (!batch.isMoving) return 'finished';
  if (batch.enqueuedAtMs === undefined) return 'enqueuing';
  return batch.finished > 0 ? 'running' : 'waiting';
}

function batchJson(batch: StatusBatch): BatchStatus {
  return {
    id: batch.id,
    name: batch.name,
    total: batch.total,
    state: batchState(batch),
    finished: batch.finished,
    outcomes: countsOf(batch),
    statisticsFrom: batch.statisticsFrom,
    by: batch.by,
    note: batch.note,
    ...precautionsJson(batch.precautions),
    parentId: batch.parentId,
    replayOf: batch.origin,
    createdAt: isoTime(batch.createdAtMs),
    finishedAt: isoTime(batch.finishedAtMs),
    cancelledAt: isoTime(batch.cancelledAtMs),
    cancelledBy: batch.cancelledBy,
    ratePerSecond: batch.isMoving ? rounded(batch.ratePerSecond) : undefined,
    etaSeconds: batch.etaSeconds === undefined ? undefined : rounded(batch.etaSeconds),
    lastRooms: batch.last && lastRoomsJson(batch.last),
  };
}
