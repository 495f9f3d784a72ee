/** `room-reaper status`: the line, its rate, what waits, how long, the batches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { finishedCount, readBatches, type BatchProgress } from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { readLines, type LineState } from '../ledger/line.js';
import { readRequestsPerRoom } from '../ledger/requests-per-room.js';
import { outcomes } from '../destruction.js';
import { slotInterval } from '../limiter/pace.js';
import { isPassing } from '../passing.js';
import { readDepth, type QueueDepth } from '../queue/depth.js';
import type { DestroyQueue } from '../queue/job.js';
import { printable } from '../redact.js';
import { secondsLeft } from '../operations/forecast.js';
import { onInterrupt } from './interrupt.js';
import { print, type Io } from './io.js';
import { createScreen } from './screen.js';
import { clockTime, count, duration, outcomeList, rooms } from '../text.js';
import { withStores } from './with-stores.js';

interface StatusFlags {
  batch?: string;
  watch?: boolean;
  json?: boolean;
}

export interface Status {
  paused: boolean;
  lines: LineState[];
  /** The host that the configuration names. */
  host: string;
  queue: QueueDepth;
  /** Seconds until everything that is due now is done, with the retries that rooms cost lately. */
  etaSeconds: number;
  batches: BatchProgress[];
}

const help = `
Examples:
  room-reaper status
  room-reaper status --watch
  room-reaper status --batch new-year --json`;

/** Batches shown where none is asked for. */
const batchesShown = 10;

export function statusCommand(io: Io): Command {
  return new Command('status')
    .description('the line, its rate, what waits and how long it takes')
    .option('--batch <ID>', 'only this batch, by id or name')
    .option('--watch', 'show it again every second, until interrupted')
    .option('--json', 'print one JSON object on stdout; with --watch one a line')
    .addHelpText('after', help)
    .action(async (flags: StatusFlags) => {
      const config = readConfig(io.env, { app: true, credentials: false });
      const show = (status: Status) =>
        flags.json ? JSON.stringify(toJson(status)) : toText(status, Date.now());
      await withStores(
        config,
        io,
        async ({ queue, database }) => {
          const read = () => readStatus(config, database, queue, flags.batch);
          if (flags.watch) await watch(read, show, flags, io);
          else print(io, show(await read()));
        },
        // What is watched says so itself.
        flags.watch ? () => undefined : undefined,
      );
    });
}

/** How long an answer may take until that is said, in milliseconds. */
const slowAfterMs = 3_000;

/**
 * With `--json` one object a line, every second, for whoever reads it. A server that goes away
 * does not end it: whoever watches wants to see it come back.
 */
async function watch(
  read: () => Promise<Status>,
  show: (status: Status) => string,
  flags: StatusFlags,
  io: Io,
): Promise<void> {
  const interrupt = onInterrupt();
  const interrupted = () => interrupt.signal.aborted;
  const screen = createScreen(io);
  const pause = () => sleep(1_000, undefined, { signal: interrupt.signal }).catch(() => undefined);
  let last: { text: string; atMs: number } | undefined;

  function draw(text: string): void {
    if (flags.json) print(io, text);
    else screen.show(text);
  }
  function drawAway(reason: string): void {
    if (flags.json) {
      draw(JSON.stringify({ unreachable: reason }));
      return;
    }
    const before = last && ` As it was at ${clockTime(last.atMs)}:\n\n${last.text}`;
    draw(`${printable(reason)}; asking again every second.${before ?? ''}`);
  }

  try {
    while (!interrupted()) {
      const reading = read().then(
        (status) => {
          last = { text: show(status), atMs: Date.now() };
          draw(last.text);
        },
        (error: unknown) => {
          if (!isPassing(error)) throw error;
          const { message, code } = error as NodeJS.ErrnoException;
          drawAway(`the queue or the ledger cannot be used: ${message || code}`);
        },
      );
      // Told by the race, or not at all once it is interrupted.
      reading.catch(() => undefined);
      const askedAt = performance.now();
      const answered = () => Promise.race([reading.then(() => true), pause().then(() => false)]);
      while (!(await answered()) && !interrupted()) {
        if (performance.now() - askedAt > slowAfterMs)
          drawAway('the queue or the ledger does not answer');
      }
      await pause();
    }
  } finally {
    screen.end();
    interrupt.dispose();
  }
}

export async function readStatus(
  config: Config,
  database: Database,
  queue: DestroyQueue,
  batch: string | undefined,
): Promise<Status> {
  const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
  const lines = await readLines(database, config.sdkAppId, intervalMs);
  const depth = await readDepth(queue);
  const batches = await readBatches(database, config.sdkAppId, {
    ...(batch === undefined ? {} : { idOrName: batch }),
    limit: batch === undefined ? batchesShown : 100,
  });
  if (batch !== undefined && batches.length === 0) {
    throw new ReaperError(
      'INVALID',
      `--batch must be the id or name of a batch, got ${printable(JSON.stringify(batch))}; room-reaper status lists them`,
    );
  }
  const { host } = new URL(config.endpoint);
  const line = lines.find((each) => each.host === host);
  const fullRate = 1000 / intervalMs;
  return {
    paused: depth.paused,
    lines,
    host,
    queue: depth,
    etaSeconds:
      secondsLeft({
        roomsAhead: depth.waiting + depth.active,
        ratePerSecond: line?.ratePerSecond ?? fullRate,
        fullRatePerSecond: fullRate,
        overQuotaPerSecond: line?.quotaFound?.ratePerSecond,
        requestsPerRoom: await readRequestsPerRoom(database, config.sdkAppId),
      }) ?? 0,
    batches,
  };
}

function toJson(status: Status): unknown {
  return {
    line: status.paused
      ? 'paused'
      : status.lines.some((line) => line.stopped && !isLeft(line, status))
        ? 'stopped'
        : 'running',
    lines: status.lines.map(
      ({ host, ratePerSecond, brakeReason, quotaFound, outage, stopped }) => ({
        host,
        state: stopped
          ? 'stopped'
          : outage !== undefined || brakeReason !== undefined
            ? 'braked'
            : 'running',
        ratePerSecond: Math.round(ratePerSecond * 10) / 10,
        brakeReason,
        quotaFound: quotaFound && {
          ratePerSecond: Math.round(quotaFound.ratePerSecond * 10) / 10,
          at: new Date(quotaFound.atMs).toISOString(),
        },
        outage: outage && {
          code: outage.code,
          reason: outage.reason,
          since: new Date(outage.sinceMs).toISOString(),
          probeAt: new Date(outage.probeAtMs).toISOString(),
        },
        stopped: stopped && {
          code: stopped.code,
          reason: stopped.reason,
          remedy: stopped.remedy,
          since: new Date(stopped.sinceMs).toISOString(),
          probeAt: new Date(stopped.probeAtMs).toISOString(),
        },
      }),
    ),
    queue: status.queue,
    etaSeconds: isMovingOn(status) ? Math.round(status.etaSeconds * 10) / 10 : null,
    batches: status.batches.map(batchToJson),
  };
}

const isoTime = (ms: number | undefined) =>
  ms === undefined ? undefined : new Date(ms).toISOString();

function batchToJson(batch: BatchProgress): unknown {
  const etaSeconds = batchSecondsLeft(batch);
  return {
    id: batch.id,
    name: batch.name,
    total: batch.total,
    finished: finishedCount(batch),
    outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, batch[outcome]])),
    by: batch.by,
    note: batch.note,
    parentId: batch.parentId,
    replayOf: batch.origin,
    createdAt: isoTime(batch.createdAtMs),
    finishedAt: isoTime(batch.finishedAtMs),
    cancelledAt: isoTime(batch.cancelledAtMs),
    cancelledBy: batch.cancelledBy,
    ratePerSecond: isMoving(batch) ? Math.round(batch.ratePerSecond * 10) / 10 : undefined,
    etaSeconds: etaSeconds === undefined ? undefined : Math.round(etaSeconds * 10) / 10,
  };
}

function isMoving(batch: BatchProgress): boolean {
  return batch.finishedAtMs === undefined && finishedCount(batch) < batch.total;
}

/** At its own rate of the last seconds; undefined where it has ended or nothing of it ends. */
function batchSecondsLeft(batch: BatchProgress): number | undefined {
  if (!isMoving(batch) || batch.cancelledAtMs !== undefined || batch.ratePerSecond === 0) {
    return undefined;
  }
  return (batch.total - finishedCount(batch)) / batch.ratePerSecond;
}

function toText(status: Status, now: number): string {
  const lines = status.lines.flatMap((line) =>
    isLeft(line, status)
      ? [...describeLine(line), `  ${status.host} runs since; \`room-reaper resume\` forgets this`]
      : describeLine(line),
  );
  if (lines.length === 0) lines.push('no worker has run yet; start one with `room-reaper worker`');
  if (status.paused) lines.push('paused by hand; run `room-reaper resume` to go on');
  const { queue } = status;
  const byLane = (['urgent', 'retry', 'normal', 'bulk'] as const)
    .filter((lane) => queue.lanes[lane] > 0)
    .map((lane) => `${count(queue.lanes[lane])} ${lane}`);
  lines.push(
    `${rooms(queue.waiting)} waiting${byLane.length > 0 ? ` (${byLane.join(', ')})` : ''}, ${count(queue.active)} in hand, ` +
      `${count(queue.delayed)} delayed, ${count(queue.failed)} failed`,
  );
  if (isMovingOn(status) && status.etaSeconds > 0) {
    lines.push(
      `${duration(status.etaSeconds)} left, done ${clockTime(now + status.etaSeconds * 1000)}`,
    );
  }
  for (const batch of status.batches) lines.push('', ...describeBatch(batch, now));
  return lines.join('\n');
}

function isMovingOn(status: Status): boolean {
  const held = status.lines.some((line) => (line.stopped ?? line.outage) && !isLeft(line, status));
  return !status.paused && !held;
}

/** Stopped or in an outage, and then left: the configured host is another, and runs since. */
function isLeft(line: LineState, { lines, host }: Status): boolean {
  const sinceMs = (line.stopped ?? line.outage)?.sinceMs;
  const configured = lines.find((each) => each.host === host);
  if (sinceMs === undefined || configured === undefined || configured === line) return false;
  return configured.stopped === undefined && (configured.lastSlotMs ?? 0) > sinceMs;
}

function describeLine(line: LineState): string[] {
  if (line.stopped) {
    const { code, reason, remedy, sinceMs, probeAtMs } = line.stopped;
    return [
      `${line.host}: STOPPED since ${clockTime(sinceMs)}: ${printable(reason)}${code === undefined ? '' : ` (${code})`}`,
      ...(remedy === undefined ? [] : [`  what to do: ${printable(remedy)}`]),
      `  one room tries again at ${clockTime(probeAtMs)}`,
    ];
  }
  if (line.outage) {
    const { code, reason, sinceMs } = line.outage;
    return [
      `${line.host}: BRAKED, the API does not work since ${clockTime(sinceMs)}: ${printable(reason)}${code === undefined ? '' : ` (${code})`}; ` +
        'nothing is spent, one room tries every two seconds, and the rest follows when it works',
    ];
  }
  const brake = line.brakeReason === undefined ? '' : `, braked: ${printable(line.brakeReason)}`;
  const found =
    line.quotaFound === undefined
      ? ''
      : `; quota found: ${line.quotaFound.ratePerSecond.toFixed(0)} requests/s, at ${clockTime(line.quotaFound.atMs)}`;
  return [`${line.host}: running, ${line.ratePerSecond.toFixed(1)} requests/s${brake}${found}`];
}

function describeBatch(batch: BatchProgress, now: number): string[] {
  const parts = [`${count(finishedCount(batch))} of ${rooms(batch.total)}`];
  if (batch.cancelledAtMs !== undefined) {
    const by = batch.cancelledBy === undefined ? '' : ` by ${printable(batch.cancelledBy)}`;
    parts.push(`cancelled ${localTime(batch.cancelledAtMs)}${by}`);
  }
  if (batch.finishedAtMs !== undefined) parts.push(`finished ${localTime(batch.finishedAtMs)}`);
  if (isMoving(batch)) parts.push(`${Math.round(batch.ratePerSecond)}/s`);
  const seconds = batchSecondsLeft(batch);
  if (seconds !== undefined) {
    parts.push(`${duration(seconds)} left, done ${clockTime(now + seconds * 1000)}`);
  }
  const by = batch.by === undefined ? '' : ` by ${printable(batch.by)}`;
  const note = batch.note === undefined ? '' : `: ${printable(batch.note)}`;
  const counts = outcomeList(batch);
  return [
    `batch ${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`,
    `  asked for ${localTime(batch.createdAtMs)}${by}${note}`,
    ...(batch.origin === undefined ? [] : [`  replay of ${printable(batch.origin)}`]),
    `  ${parts.join(', ')}`,
    ...(counts === '' ? [] : [`  ${counts}`]),
  ];
}

/** The same everywhere, in the time of this machine: `2026-11-23 02:31:07`. */
function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clockTime(ms)}`;
}
