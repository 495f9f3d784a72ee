/**
 * Stop the line: one worker that learns that nothing can succeed (a wrong key, a
 * disabled app) stops all of them, before a hundred thousand jobs are burnt.
 *
 * The ledger's row of the line is the one truth; BullMQ's own pause is left to people.
 *
 *   running ── a reservation that says that the line is stopped ──► halted
 *   running ── stop verdict ──► halted. Other workers live? What they are answered in the next
 *              seconds shows whether it is the trouble of this one alone, whose key may be old:
 *              where they succeed it holds back alone; else the row says that the line is stopped
 *   halted  ── every second: does the row run again? ──► running
 *   halted  ── the probe is due ──► probing: one job in hand, the database grants it a
 *              slot only if no other worker probes
 *   probing ── a real answer ──► row resumed ──► running
 *   probing ── the same verdict, or another worker probes ──► halted
 *
 * Halting aborts every wait for a slot, so only requests already in flight are spent;
 * the jobs go back to the queue.
 *
 * A worker that cannot reach the API, or is refused, while others are not holds back alone, for
 * 5 s doubling to a minute, and then begins again with one job.
 *
 * An outage of the API is no halt: the jobs stay in hand and wait (src/worker/outage-watch.ts).
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../ledger/database.js';
import {
  brakeLine,
  firstProbePauseMs,
  readLines,
  resumeLine,
  type StopCause,
  stopLine,
  type StopOptions,
} from '../ledger/line.js';
import type { StoppedLine } from '../ledger/grant.js';
import type { WorkerState } from '../ledger/workers.js';
import { isPassing, patiently, startPatienceMs } from '../passing.js';
import { withCode } from '../text.js';
import { within } from '../time-limit.js';

/** How often a halted worker looks whether the line runs again, in milliseconds. */
const lookEveryMs = 1_000;

/**
 * How long a refused worker waits for a success of others, in milliseconds: the API answers within
 * its own timeout of 3 s (https://trtc.io/document/63398).
 */
const othersAnswerMs = 3_000;

/** How long a worker that is alone in its trouble holds back, in milliseconds. */
const firstHoldMs = 5_000;
const longestHoldMs = 60_000;

/** What a worker can be alone in. */
const alone = {
  unreachable: 'this worker cannot reach the API, others can: holding back',
  refused: 'this worker is refused, others are not: holding back',
} as const;

export type LinePhase = 'running' | 'halted' | 'probing';

/** This worker takes nothing any more: its jobs go back to the queue unspent. */
export class Halted extends Error {
  override readonly name = 'Halted';
}

export interface LineGuard {
  readonly phase: LinePhase;
  /** What this worker does, and why it holds back, for whoever looks. */
  readonly doing: { state: WorkerState; reason: string | undefined };
  /** Aborts, with `Halted`, what waits for a slot. A new one after each halt. */
  readonly signal: AbortSignal;
  /** Waits for so long, in milliseconds. @throws Halted as soon as this worker takes nothing any more. */
  wait(ms: number): Promise<void>;
  /**
   * A verdict says that nothing can succeed: takes nothing any more, and stops the line for all
   * workers, unless others succeed. `certain`: also then.
   */
  stop(cause: StopCause, certain?: 'certain'): void;
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
  /** Who says that the line is stopped. */
  worker: { workerId: string; name: string };
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
  const { database, lineId, log, worker } = options;
  let phase: LinePhase = 'running';
  let controller = manyListeners();
  let stopped: StoppedLine | undefined;
  let looker: NodeJS.Timeout | undefined;
  const closing = new AbortController();
  /** Raised by each halt: what was read before it says nothing any more. */
  let halts = 0;
  let looking = false;
  /** Refused, and not known yet whether others are: why. */
  let undecided: string | undefined;
  /** While this worker alone holds back: why, for how long, until when on the database's clock. */
  let hold: { reason: string; ms: number; until: number } | undefined;

  function halt(line: StoppedLine): void {
    if (closing.signal.aborted) return;
    const isNew = stopped === undefined;
    stopped = line;
    hold = undefined;
    if (phase !== 'halted') takeNothing(`the line is stopped: ${line.reason}`);
    // Also where this worker held back alone until now.
    if (isNew) {
      log.error(
        { code: line.code, reason: line.reason, remedy: line.remedy, saidBy: line.by },
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
    if (phase !== 'halted' || looking || undecided !== undefined) return;
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

  /** Stops the line for all, or finds that this worker is alone in its trouble. */
  async function decide(cause: StopCause, certain: boolean): Promise<void> {
    const refusedAtMs = options.now();
    const untilClosed = { pauseMs: () => lookEveryMs, passes: () => true, signal: closing.signal };
    const stops = (unless: StopOptions['unless']) =>
      patiently(untilClosed, () => stopLine(database, lineId, cause, { by: worker, unless }));
    try {
      let stopsAll = await stops(certain ? undefined : 'others_live');
      if (!stopsAll) {
        const others = new Promise((resolve) => setTimeout(resolve, othersAnswerMs).unref());
        await within(closing.signal, others);
        stopsAll = await stops({ othersSucceedSinceMs: refusedAtMs });
      }
      undecided = undefined;
      if (stopsAll) {
        const probeAtMs = options.now() + firstProbePauseMs;
        halt({ ...cause, outage: false, by: worker.name, probeAtMs });
      } else {
        beginHold('refused', withCode(cause.reason, cause.code));
      }
    } catch (error) {
      if (!closing.signal.aborted) throw error;
    }
  }

  function beginHold(trouble: keyof typeof alone, reason: string): void {
    const ms = Math.min(hold === undefined ? firstHoldMs : hold.ms * 2, longestHoldMs);
    hold = { reason, ms, until: options.now() + ms };
    log.error({ reason, forSeconds: ms / 1000 }, alone[trouble]);
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
    get doing(): LineGuard['doing'] {
      const reason = undecided ?? hold?.reason;
      if (phase === 'halted' && reason !== undefined) return { state: 'holding_back', reason };
      return { state: phase === 'halted' ? 'stopped' : phase, reason: undefined };
    },
    // Whoever stopped waiting must not hold up the end of the process.
    wait: (ms) => within(controller.signal, sleep(ms, undefined, { ref: false })),
    stop(cause, certain) {
      // The answers of what was in flight say the same.
      if (closing.signal.aborted || undecided !== undefined || phase === 'halted') return;
      undecided = withCode(cause.reason, cause.code);
      takeNothing(`this worker is refused: ${cause.reason}`);
      decide(cause, certain !== undefined).catch((error: unknown) =>
        log.error({ err: error }, 'stop of the line not recorded'),
      );
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
      beginHold('unreachable', reason);
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
