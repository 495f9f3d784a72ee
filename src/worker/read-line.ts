/**
 * The line of a command that only reads, as one worker sends on it: get_room_info and
 * get_room_stats, before a room is destroyed.
 *
 * It has its own slots, brake, outage and stop, so that its trouble holds up those rooms alone that
 * need it: their jobs are put off, and the others go on. What is wrong with the app or its key
 * (src/tencent/verdicts.ts) stops the line of destroy_room, which holds all.
 */
import type { Logger } from 'pino';
import type { Database } from '../ledger/database.js';
import type { StoppedLine } from '../ledger/grant.js';
import {
  brakeLine,
  lineId,
  resumeLine,
  type StopCause,
  stopLine,
  type LineKey,
} from '../ledger/line.js';
import { reserveReads, type ReadReservation } from '../ledger/reserve-reads.js';
import {
  createLimiter,
  type LaneWish,
  type Limiter,
  type LimiterOptions,
} from '../limiter/limiter.js';
import { slotInterval, slotsInWindow } from '../limiter/pace.js';
import { roomInfoCommand, roomInfoQuota, roomStatsCommand } from '../tencent/endpoint.js';
import { isPassing, patiently, startPatienceMs } from '../passing.js';
import type { LineGuard } from './line-guard.js';
import { createOutageWatch, type OutageWatch } from './outage-watch.js';

/** While the line is in trouble, so many jobs of a worker wait for it; the others are put off. */
const waitInTrouble = 10;

/** So long a stop that was found is taken for true, in milliseconds: somebody may have mended its cause. */
const askAgainMs = 5_000;

/** A brake is trouble for so long, in milliseconds: the rate has climbed back by then. */
const brakeIsTroubleMs = 30_000;

/** How long a job is put off at least, in milliseconds, and by how much more at random. */
const putOffMs = 10_000;
const putOffSpreadMs = 10_000;

/** And at most: whoever mended the cause must not wait long. In milliseconds. */
const longestPutOffMs = 120_000;

export interface ReadLine {
  /** Its name, without its path. */
  readonly command: string;
  readonly limiter: Limiter<LaneWish, ReadReservation>;
  readonly outage: OutageWatch;
  /** A job waits for the line from here on, until what is returned is called. */
  enter(): () => void;
  /** Why a job had better not wait for it now, and for how long, in milliseconds. */
  trouble(): { reason: string; delayMs: number } | undefined;
  brake(reason: string): Promise<void>;
  /** Stops this command, or, where the cause is about the app, all. */
  stop(cause: StopCause): Promise<void>;
  /** A reservation said that it does not run. */
  foundStopped(found: Extract<ReadReservation, { kind: 'stopped' }>): void;
  /** A request was answered by something other than a reason to stop. */
  foundRunning(probe: { isApp: boolean } | undefined): Promise<void>;
}

interface ReadLineOptions extends Pick<
  LimiterOptions,
  'clock' | 'timer' | 'jitterMs' | 'workerId' | 'onDatabase' | 'onSlowLedger'
> {
  database: Database;
  /** Of destroy_room: the others are of the same host and app. */
  lineKey: LineKey;
  worker: { workerId: string; name: string };
  guard: LineGuard;
  log: Logger;
  onOutage: (outage: StoppedLine | undefined) => void;
  /** 0 ≤ value < 1. */
  random: () => number;
}

/** The lines of the commands that read, each made when it is first needed. */
export interface Reads {
  info(): Promise<ReadLine>;
  stats(): Promise<ReadLine>;
}

/** @param statsPerSecond - the quota of get_room_stats. */
export function createReads(statsPerSecond: number, options: ReadLineOptions): Reads {
  return {
    info: once(() => createReadLine(roomInfoCommand, roomInfoQuota, options)),
    stats: once(() => createReadLine(roomStatsCommand, statsPerSecond, options)),
  };
}

/** Made when it is first asked for; again where that failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}

/** @throws the driver's error where the ledger cannot be used for fifteen seconds. */
async function createReadLine(
  path: string,
  ratePerSecond: number,
  options: ReadLineOptions,
): Promise<ReadLine> {
  const { database, guard, clock } = options;
  const key = { ...options.lineKey, command: path };
  const id = lineId(key);
  const command = path.replace(/.*\//, '');
  const log = options.log.child({ command });
  const intervalMs = slotInterval(ratePerSecond, options.jitterMs);
  let waiting = 0;
  let brakedUntilMs = Number.NEGATIVE_INFINITY;
  /** Until `until`, on the database's clock, no job asks the row again whether it runs. */
  let stopped: { line: StoppedLine; until: number } | undefined;
  const outage = createOutageWatch({
    database,
    lineId: id,
    log,
    onAlone: (reason) => guard.holdBack(reason),
    onOutage: options.onOutage,
  });
  const limiter = await createLimiter<LaneWish, ReadReservation>({
    ...options,
    reserve: reserveReads,
    line: key,
    intervalMs,
    windowSlots: slotsInWindow(ratePerSecond),
    onLead: () => undefined,
    onAnswer: () => undefined,
    onOutage: (found) => outage.found(found),
    answeredAtMs: () => outage.answeredAtMs,
  });
  const spread = () => putOffSpreadMs * options.random();

  return {
    command,
    limiter,
    outage,
    enter() {
      waiting += 1;
      return () => {
        waiting -= 1;
      };
    },
    trouble() {
      const now = clock.now();
      if (stopped !== undefined && stopped.until > now) {
        const { reason, probeAtMs } = stopped.line;
        const delayMs = Math.min(Math.max(putOffMs, probeAtMs - now), longestPutOffMs);
        return { reason: `${command} is stopped: ${reason}`, delayMs: delayMs + spread() };
      }
      const isTroubled = outage.suspected || now < brakedUntilMs;
      if (!isTroubled || waiting < waitInTrouble) return undefined;
      const reason = outage.suspected ? `${command} does not work` : `${command} is braked`;
      return { reason, delayMs: putOffMs + spread() };
    },
    async brake(reason) {
      brakedUntilMs = clock.now() + brakeIsTroubleMs;
      try {
        const ratePerSecond = await brakeLine(database, id, intervalMs, reason);
        if (ratePerSecond !== undefined) log.warn({ reason, ratePerSecond }, 'line braked');
      } catch (error) {
        if (!isPassing(error)) throw error;
        options.onDatabase(error as Error);
      }
    },
    async stop(cause) {
      if (cause.holdsAll) {
        guard.stop(cause);
        return;
      }
      await patiently(startPatienceMs, () => stopLine(database, id, cause, { by: options.worker }));
      log.error(
        { code: cause.code, reason: cause.reason, remedy: cause.remedy },
        'command stopped; rooms that need it wait on the queue, the others go on',
      );
    },
    foundStopped({ line, isApp }) {
      if (isApp) guard.foundStopped(line);
      else stopped = { line, until: Math.min(line.probeAtMs, clock.now() + askAgainMs) };
    },
    async foundRunning(probe) {
      stopped = undefined;
      if (probe === undefined) return;
      if (probe.isApp) return guard.foundRunning(true);
      await patiently(startPatienceMs, () => resumeLine(database, id));
      log.info('the probe succeeded: command runs again');
    },
  };
}
