/**
 * What a forecast is made of: read from queue and ledger, changing neither, before a run begins
 * and while it runs.
 */
import type { Config } from '../config.js';
import type { Precautions } from '../destruction.js';
import type { Database } from '../ledger/database.js';
import { readLines, stateOf, type Line, type LineState } from '../ledger/line.js';
import { readRequestsLately } from '../ledger/requests-lately.js';
import { slotInterval } from '../limiter/pace.js';
import type { Placement } from '../producer/add.js';
import { type DestroyQueue, lanes } from '../queue/job.js';
import { countUpTo, readFirstTurn, turnOf } from '../queue/turns.js';
import { isMade, openStores } from '../stores.js';
import { createCostMeter, fullPace, secondsLeft, type Outlook, type Pace } from './forecast.js';
import { lineOf, openQueueOf, type Service, type ServiceLine } from './service.js';

/**
 * @param line - undefined where no worker has made it yet: then nothing ever slowed it.
 * @param intervalMs - between slots when nothing brakes.
 */
export function paceOf(
  line: Line | undefined,
  intervalMs: number,
  requestsPerRoom: number,
  paused: boolean,
): Pace {
  const full = fullPace(intervalMs);
  return {
    ...full,
    requestsPerRoom,
    ...(line && {
      ratePerSecond: line.ratePerSecond,
      overQuotaPerSecond: line.quotaFound?.ratePerSecond,
    }),
    held: heldBy(stateOf(line, paused)),
  };
}

/** A stop needs more than letting the queue go on, so it is told before a pause. */
function heldBy(state: LineState): Pace['held'] {
  switch (state.kind) {
    case 'stopped':
      return 'stopped';
    case 'outage':
      return 'waiting for the API';
    case 'paused':
      return heldBy(state.otherwise) ?? 'paused';
    case 'running':
    case 'braked':
    case 'never_used':
      return undefined;
    default:
      return state satisfies never;
  }
}

/**
 * Rooms that wait, up to a priority, and those in hand.
 *
 * @param lastPriority - default: all that waits counts.
 */
export async function readRoomsAhead(
  queue: DestroyQueue,
  lastPriority = Number.MAX_SAFE_INTEGER,
): Promise<number> {
  const [waiting, active] = await Promise.all([
    countUpTo(queue, lastPriority),
    queue.getActiveCount(),
  ]);
  return waiting + active;
}

async function readLine(database: Database, line: ServiceLine): Promise<Line | undefined> {
  const lines = await readLines(database, line.lineKey.sdkAppId, line.intervalMs);
  return lines.find(({ id }) => id === line.lineId);
}

/** Where the ledger cannot be read, or has no tables yet, nothing is known to have slowed the line. */
async function readPace(
  database: Database | undefined,
  line: ServiceLine,
  paused: boolean,
): Promise<Pace> {
  try {
    if (database !== undefined) {
      const state = await readLine(database, line);
      const { requestsPerRoom: cost } = await readRequestsLately(database, line.lineKey.sdkAppId);
      return paceOf(state, line.intervalMs, cost, paused);
    }
  } catch {
    // As below.
  }
  return paceOf(undefined, line.intervalMs, 1, paused);
}

/** Where the new rooms would go: how many, in which lane; undefined: behind all that waits. */
export type NewRooms =
  { rooms: number; lane: Placement['lane']; precautions?: Precautions } | undefined;

/** How many rooms with these precautions go in a second at most; undefined: what the line allows. */
export function mostPerSecond(
  { statsRateLimitPerSecond, arrivalJitterMs }: RateLimits,
  precautions: Precautions | undefined,
): number | undefined {
  if (precautions?.snapshot !== true) return undefined;
  return 1000 / slotInterval(statsRateLimitPerSecond, arrivalJitterMs);
}

type RateLimits = Pick<Config, 'statsRateLimitPerSecond' | 'arrivalJitterMs'>;

/** What stands before new rooms. */
export async function readOutlook(service: Service, newRooms: NewRooms): Promise<Outlook> {
  const { queue } = await service.queue();
  const most = mostPerSecond(service.config, newRooms?.precautions);
  return { ...(await outlookOf(queue, service.database, service, newRooms)), mostPerSecond: most };
}

async function outlookOf(
  queue: DestroyQueue,
  database: Database | undefined,
  line: ServiceLine,
  newRooms: NewRooms,
): Promise<Outlook> {
  const [waitingAhead, paused] = await Promise.all([
    readRoomsAhead(queue, newRooms && (await lastPriorityOf(queue, newRooms))),
    queue.isPaused(),
  ]);
  return { ...(await readPace(database, line, paused)), waitingAhead };
}

async function lastPriorityOf(
  queue: DestroyQueue,
  { rooms, lane }: NonNullable<NewRooms>,
): Promise<number> {
  if (lane !== 'bulk') return lanes[lane];
  return turnOf(await readFirstTurn(queue), Math.max(0, rooms - 1));
}

/** Nothing is looked at: an empty line at the full rate. */
export function unseenOutlook(config: Config, precautions?: Precautions): Outlook {
  const most = mostPerSecond(config, precautions);
  return { ...fullPace(lineOf(config).intervalMs), waitingAhead: undefined, mostPerSecond: most };
}

/**
 * The same without a service, before there is consent: it opens only what is there already, and
 * makes no table and no embedded database. Never fails: what cannot be seen is not counted.
 *
 * @param opensEmbedded - looks into an embedded database too, which takes a second and its memory.
 */
export async function lookAhead(
  config: Config,
  newRooms: NewRooms,
  opensEmbedded = false,
): Promise<Outlook> {
  const unseen = unseenOutlook(config, newRooms?.precautions);
  const isEmbedded = config.queueUrl === 'embedded';
  if (config.sdkAppId === 0 || (isEmbedded && !(opensEmbedded && isMade(config)))) return unseen;
  // Beside a queue on a server no embedded database is opened for the pace alone.
  const ledgerSeen = isEmbedded || config.databaseUrl !== 'embedded';
  const databaseUrl = ledgerSeen ? config.databaseUrl : config.queueUrl;
  const closings: (() => Promise<void>)[] = [];
  const onlyToLook = { readOnly: true, isPatient: true };
  try {
    const stores = await openStores({ ...config, databaseUrl }, () => undefined);
    closings.unshift(() => stores.close());
    // One that is away, or not made yet, slows nothing that is known.
    const database = ledgerSeen
      ? await stores.openLedger(() => undefined, onlyToLook).catch(() => undefined)
      : undefined;
    if (database) closings.unshift(() => database.close());
    const opened = await openQueueOf(stores, database, {
      ...{ sdkAppId: config.sdkAppId, ...onlyToLook },
      ...{ failFast: true, onError: () => undefined },
    });
    closings.unshift(() => opened.close());
    return { ...unseen, ...(await outlookOf(opened.queue, database, lineOf(config), newRooms)) };
  } catch (error) {
    return { ...unseen, notCounted: (error as Error).message };
  } finally {
    for (const close of closings) await close();
  }
}

/** How often the queue is asked, in milliseconds: counting many turns keeps it busy for a moment. */
const askEveryMs = 1_000;

/**
 * Follows one batch while it is worked on, and learns what a room costs. Waits for nothing:
 * while queue or ledger do not answer, what was read last counts.
 *
 * @param lastPriority - of the batch's last room: ahead of its end is what waits up to there, in
 *   all lanes, and never less than the rooms of the batch that have not ended.
 * @param precautions - of the batch.
 * @returns a function of the rooms of the batch that have not ended: seconds until its last
 *   one is done, undefined while nothing moves or nothing is known.
 */
export function followBatch(
  service: Service,
  lastPriority: number,
  precautions: Precautions = {},
): (remaining: number, nowMs: number) => number | undefined {
  const most = mostPerSecond(service.config, precautions) ?? Infinity;
  const cost = createCostMeter();
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking = false;
  let others = 0;
  let pace: Pace = { ...fullPace(service.intervalMs), ratePerSecond: 0 };

  async function ask(remaining: number, nowMs: number): Promise<void> {
    const { queue } = await service.queue();
    const [ahead, paused, line] = await Promise.all([
      readRoomsAhead(queue, lastPriority),
      queue.isPaused(),
      readLine(service.database, service),
    ]);
    const roomsAhead = Math.max(remaining, ahead);
    others = roomsAhead - remaining;
    const now = paceOf(line, service.intervalMs, 1, paused);
    const ratePerSecond = now.held === undefined ? now.ratePerSecond : 0;
    const requestsPerRoom = cost({ nowMs, roomsAhead, ratePerSecond });
    pace = { ...now, ratePerSecond, requestsPerRoom };
  }

  return (remaining, nowMs) => {
    if (!asking && remaining > 0 && nowMs - askedAt >= askEveryMs) {
      askedAt = nowMs;
      asking = true;
      void ask(remaining, nowMs)
        .catch(() => undefined)
        .finally(() => {
          asking = false;
        });
    }
    const seconds = secondsLeft({ ...pace, roomsAhead: remaining + others });
    return seconds === undefined ? undefined : Math.max(seconds, remaining / most);
  };
}
