/** One run of `destroy`: put the rooms on the queue, work, show progress, print what became of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { goneAndNot } from '../destruction.js';
import { logOn } from '../log.js';
import { ReaperError } from '../errors.js';
import {
  destroyedToJson,
  finishedCount,
  followDestroy,
  readProgress,
  readSummary,
  readWarnings,
  type BatchProgress,
} from '../operations/destroy.js';
import {
  addLostRooms,
  enqueueRooms,
  type Enqueued,
  type EnqueueRequest,
} from '../operations/enqueue.js';
import { followLastRooms } from '../operations/last-rooms.js';
import type { Service } from '../operations/service.js';
import { isPassing } from '../passing.js';
import { printable } from '../redact.js';
import { rooms, whyItStands } from '../text.js';
import type { StoppedLine } from '../worker/index.js';
import { startWorker } from '../worker/worker.js';
import { describeError } from './advice.js';
import { describeWarning, toText } from './destroy-report.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine, describeProgress, withBatchProgress } from './progress.js';
import { sayGoesOn } from './room-request.js';
import { show } from './screen.js';
import { describeLastRooms } from './summary-text.js';

/** How often the progress is read, in milliseconds. */
const lookEveryMs = 500;

/** How long the progress shows why an attempt failed, in milliseconds. */
const troubleShownMs = 15_000;

interface Run {
  service: Service;
  request: EnqueueRequest;
  /** Aborts when the user interrupts. */
  signal: AbortSignal;
  json: boolean;
  io: Io;
}

/** @returns the exit code. */
export async function runDestroy(run: Run): Promise<number> {
  const { service, request, signal, json, io } = run;
  const startedAt = performance.now();
  const enqueued = await withBatchProgress(io, (onProgress) =>
    enqueueRooms(service, request, {
      onBatch: (batch) => sayGoesOn(batch, io),
      ...{ onProgress, signal },
    }),
  );
  const { id } = enqueued.batch;
  if (enqueued.added.pending > 0) {
    say(
      io,
      `${rooms(enqueued.added.pending)} had a destruction pending already, whose outcome counts for this batch too`,
    );
  }
  const followed = followLastRooms(service);
  const { stopped, ownEnd } = signal.aborted ? {} : await workUntilEnded(run, enqueued, followed);

  const progress = await readProgress(service, id);
  const summary = progress && (await readSummary(service, id));
  if (summary === undefined) {
    say(
      io,
      `the ledger cannot be reached: room-reaper report ${id} says what is done when it is back`,
    );
  }
  if (progress === undefined) {
    say(io, 'Where rooms are left then, run the same command again to go on.');
    return signal.aborted ? exitCodes.interrupted : exitCodes.usage;
  }
  const last = await followed.atEnd(progress);
  if (last !== undefined) for (const room of describeLastRooms(last)) say(io, room);
  const ended = { stopped, ownEnd, signal };
  if (summary === undefined) {
    const code = exitCode(progress, ended, io);
    return code === exitCodes.ok ? exitCodes.usage : code;
  }
  const warnings = (await readWarnings(service, id, summary)) ?? [];
  const seconds = (performance.now() - startedAt) / 1000;
  const result = { progress, summary, rooms: request.rooms.counts, warnings, seconds };
  if (json) {
    for (const warning of warnings) say(io, describeWarning(warning, summary.rooms));
    print(io, destroyedToJson(result));
  } else show(io, toText(result));
  return exitCode(progress, ended, io);
}

/** What ended the work before its end. */
interface EndedBy {
  stopped?: StoppedLine | undefined;
  /** Why the worker ended by itself: the ledger is of a newer program now, say. */
  ownEnd?: ReaperError | undefined;
}

async function workUntilEnded(
  run: Run,
  enqueued: Enqueued,
  followed: ReturnType<typeof followLastRooms>,
): Promise<EndedBy> {
  const { service, signal, io } = run;
  const { config, stores } = service;
  const line = createProgressLine(io);
  const found: EndedBy & {
    outage?: StoppedLine | undefined;
    trouble?: { reason: string; at: number };
  } = {};
  // The progress line and the report say what there is to say, unless more is asked for.
  const level = io.env['LOG_LEVEL'] ? config.logLevel : 'error';
  const log = logOn(io.stderr, level, io.env);
  const worker = await startWorker(config, {
    stores,
    log,
    startedByPerson: true,
    onLineStopped: (stopped) => {
      found.stopped = stopped;
    },
    onOutage: (outage) => {
      found.outage = outage;
      say(
        io,
        outage === undefined
          ? 'the API works again: going on'
          : `the API does not work: ${printable(outage.reason)}. Nothing is spent; one room tries every two seconds, and the rest follows by itself`,
      );
    },
    onTrouble: (reason) => {
      found.trouble = { reason, at: Date.now() };
    },
  });
  void worker.ended.then((reason) => {
    found.ownEnd = reason;
  });
  const interrupted = () => signal.aborted;
  const look = followDestroy(service, enqueued, followed);
  try {
    for (;;) {
      const seen = await look();
      if (seen !== undefined) {
        const { progress, nowMs } = seen;
        const { trouble } = found;
        const recent = trouble !== undefined && nowMs - trouble.at < troubleShownMs;
        const why =
          found.outage === undefined ? (recent ? trouble.reason : '') : 'outage of the API';
        line.update(describeProgress(seen) + (why === '' ? '' : ` · ${why}`));
        if (finishedCount(progress) >= progress.total) break;
        if (seen.mayBeLost) await lookForLost(run, enqueued);
      }
      if (found.stopped !== undefined || found.ownEnd !== undefined || interrupted()) break;
      await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    line.end();
    if (interrupted()) say(io, 'interrupted: finishing what is in flight (again to exit at once)');
    await worker.close();
  }
  return found;
}

/** A room that is on the queue no more would be waited for without end. */
async function lookForLost({ service, request, signal, io }: Run, enqueued: Enqueued) {
  try {
    const lost = await addLostRooms(service, enqueued, request, signal);
    if (lost > 0) {
      say(
        io,
        `${rooms(lost)} had disappeared from the queue (evicted, or removed by hand) and ${lost === 1 ? 'was' : 'were'} added again; room-reaper cancel takes rooms back`,
      );
    }
  } catch (error) {
    if (!(error instanceof ReaperError) && !isPassing(error)) throw error;
    say(io, `rooms that have not ended cannot be looked for: ${(error as Error).message}`);
  }
}

function exitCode(
  progress: BatchProgress,
  { stopped, ownEnd, signal }: EndedBy & { signal: AbortSignal },
  io: Io,
): number {
  const left = progress.total - finishedCount(progress);
  if (left > 0 && stopped !== undefined) {
    say(io, `the line is stopped: ${whyItStands(stopped)}. ${rooms(left)} still to do.`);
    if (stopped.remedy !== undefined) say(io, `What to do: ${printable(stopped.remedy)}.`);
    say(io, 'Then run the same command again to go on.');
    return exitCodes.stopped;
  }
  if (left > 0 && ownEnd !== undefined) {
    say(
      io,
      `${describeError(ownEnd)}. ${rooms(left)} still to do: run the same command again then.`,
    );
    return exitCodes.usage;
  }
  if (left > 0 && signal.aborted) {
    say(
      io,
      `interrupted with ${rooms(left)} still to do; run the same command again to go on: no room that is done is asked for again`,
    );
    return exitCodes.interrupted;
  }
  return goneAndNot(progress).notGone > 0 ? exitCodes.notGone : exitCodes.ok;
}
