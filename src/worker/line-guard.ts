/**
 * Stop the line: one worker that learns that nothing can succeed (a wrong key, a
 * disabled app) stops all of them, before a hundred thousand jobs are burnt.
 *
 * The ledger's row of the line is the one truth; BullMQ's own pause is left to people.
 *
 *   running ── stop verdict, or a reservation that says so ──► halted
 *   halted  ── every second: does the row run again? ──► running
 *   halted  ── the probe is due ──► probing: one job in hand, the database grants it a
 *              slot only if no other worker probes
 *   probing ── a real answer ──► row resumed ──► running
 *   probing ── the same verdict, or another worker probes ──► halted
 *
 * Halting aborts every wait for a slot, so only requests already in flight are spent;
 * the jobs go back to the queue.
 *
 * A worker that cannot reach the API while others can halts itself alone, for 5 s doubling to
 * a minute, and then begins again with one job.
 *
 * An outage of the API is no halt: the jobs stay in hand and wait (src/worker/outage-watch.ts).
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../ledger/database.js';
import { brakeLine, firstProbePauseMs, readLines, resumeLine, stopLine } from '../ledger/line.js';
import type { StoppedLine } from '../ledger/reserve.js';
import { isPassing, patiently, startPatienceMs } from '../passing.js';
import { within } from '../time-limit.js';

/** How often a halted worker looks whether the line runs again, in milliseconds. */
const lookEveryMs = 1_000;

/** How long a worker that alone cannot reach the API holds back, in milliseconds. */
const firstHoldMs = 5_000;
const longestHoldMs = 60_000;

export interface StopCause {
  /** The API's code, or an HTTP status. */
  code: number | undefined;
  reason: string;
  remedy: string | undefined;
}

export type LinePhase = 'running' | 'halted' | 'probing';

/** This worker takes nothing any more: its jobs go back to the queue unspent. */
export class Halted extends Error {
  override readonly name = 'Halted';
}

export interface LineGuard {
  readonly phase: LinePhase;
  /** Aborts, with `Halted`, what waits for a slot. A new one after each halt. */
  readonly signal: AbortSignal;
  /** Waits for so long, in milliseconds. @throws Halted as soon as this worker takes nothing any more. */
  wait(ms: number): Promise<void>;
  /** A verdict says that nothing can succeed: stops the line for all workers. */
  stop(cause: StopCause): void;
  /** The API said that it is over its quota: slows the line for all workers. */
  brake(reason: string): Promise<void>;
  /** The line is stopped, and a person asks for work: begins with one job, as a probe. */
  probe(): void;
  /** A reservation said that the line is stopped. */
  foundStopped(line: StoppedLine): void;
  /** The API answered a request with something other than a reason to stop. */
  foundRunning(probe: boolean): Promise<void>;
  /** This worker cannot reach the API, others can: leaves the rooms to them for a while. */
  holdBack(reason: string): void;
  close(): void;
}

export interface LineGuardOptions {
  database: Database;
  lineId: string;
  sdkAppId: number;
  intervalMs: number;
  log: Logger;
  /** Takes no more jobs. */
  pause: () => void;
  /** Takes jobs again, one at a time where `probing`. */
  resume: (probing: boolean) => void;
  /** Told when the line is found stopped, once for each stop. */
  onStopped: (line: StoppedLine) => void;
  /** Told that the database cannot be used. */
  onDatabase: (error: Error) => void;
  /** Database time now, in milliseconds since the epoch. */
  now: () => number;
}

export function createLineGuard(options: LineGuardOptions): LineGuard {
  const { database, lineId, log } = options;
  let phase: LinePhase = 'running';
  let controller = manyListeners();
  let stopped: StoppedLine | undefined;
  let looker: NodeJS.Timeout | undefined;
  const closing = new AbortController();
  /** Raised by each halt: what was read before it says nothing any more. */
  let halts = 0;
  let looking = false;
  let unwritten = false;
  /** While this worker alone holds back: for how long, and until when on the database's clock. */
  let hold: { ms: number; until: number } | undefined;

  function halt(line: StoppedLine): void {
    if (closing.signal.aborted) return;
    const isNew = stopped === undefined;
    stopped = line;
    hold = undefined;
    if (phase !== 'halted') takeNothing(`the line is stopped: ${line.reason}`);
    // Also where this worker held back alone until now.
    if (isNew) {
      log.error(
        { code: line.code, reason: line.reason, remedy: line.remedy },
        'line stopped; jobs wait on the queue',
      );
      options.onStopped(line);
    }
  }

  function takeNothing(reason: string): void {
    phase = 'halted';
    halts += 1;
    options.pause();
    controller.abort(new Halted(reason));
    clearInterval(looker);
    looker = setInterval(() => void look(), lookEveryMs);
  }

  async function look(): Promise<void> {
    if (phase !== 'halted' || looking || unwritten) return;
    if (hold !== undefined) {
      if (options.now() >= hold.until) run('probing');
      return;
    }
    const halt = halts;
    looking = true;
    let state;
    try {
      const lines = await readLines(database, options.sdkAppId, options.intervalMs);
      state = lines.find((line) => line.id === lineId)?.state;
    } catch {
      // Without the database nothing is sent anyway; the next look may find it.
      return;
    } finally {
      looking = false;
    }
    if (halt !== halts) return;
    if (state?.kind !== 'stopped') {
      log.info('line runs again');
      run('running');
    } else if (state.halt.probeAtMs <= options.now()) {
      run('probing');
    } else {
      stopped = state.halt;
    }
  }

  async function writeStop(cause: StopCause): Promise<void> {
    if (closing.signal.aborted) return;
    const untilClosed = { pauseMs: () => lookEveryMs, passes: () => true, signal: closing.signal };
    await patiently(untilClosed, () => stopLine(database, lineId, cause)).catch(() => undefined);
    unwritten = false;
  }

  function run(next: 'running' | 'probing'): void {
    if (closing.signal.aborted) return;
    if (next === 'running') stopped = hold = undefined;
    phase = next;
    controller = manyListeners();
    clearInterval(looker);
    options.resume(next === 'probing');
  }

  return {
    get phase() {
      return phase;
    },
    get signal() {
      return controller.signal;
    },
    // Whoever stopped waiting must not hold up the end of the process.
    wait: (ms) => within(controller.signal, sleep(ms, undefined, { ref: false })),
    stop(cause) {
      unwritten = true;
      // The job goes back at once; the other workers hear of it as soon as the ledger does.
      void writeStop(cause);
      halt({ ...cause, outage: false, probeAtMs: options.now() + firstProbePauseMs });
    },
    async brake(reason) {
      try {
        const ratePerSecond = await brakeLine(database, lineId, options.intervalMs, reason);
        if (ratePerSecond !== undefined) log.warn({ reason, ratePerSecond }, 'line braked');
      } catch (error) {
        if (!isPassing(error)) throw error;
        options.onDatabase(error as Error);
      }
    },
    probe: () => run('probing'),
    foundStopped: halt,
    async foundRunning(probe) {
      if (probe) {
        // The next probe may be an hour ahead.
        await patiently(startPatienceMs, () => resumeLine(database, lineId));
        log.info('the probe succeeded: line runs again');
      }
      if (phase === 'probing') run('running');
    },
    holdBack(reason) {
      if (closing.signal.aborted || phase === 'halted') return;
      const ms = Math.min(hold === undefined ? firstHoldMs : hold.ms * 2, longestHoldMs);
      hold = { ms, until: options.now() + ms };
      log.error(
        { reason, forSeconds: ms / 1000 },
        'this worker cannot reach the API, others can: holding back',
      );
      takeNothing(`this worker cannot reach the API: ${reason}`);
    },
    close() {
      closing.abort();
      clearInterval(looker);
      controller.abort(new Halted('this worker is shutting down'));
    },
  };
}

/** Every job in hand listens: that is no leak. */
function manyListeners(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
