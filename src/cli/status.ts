/** `room-reaper status`: the line, its rate, what waits, how long, the batches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { finishedCount, readBatches, type BatchProgress } from '../ledger/batches.js';
import type { Database } from '../ledger/database.js';
import { readLines, type LineState } from '../ledger/line.js';
import { readRequestsPerRoom } from '../ledger/requests-per-room.js';
import { outcomes } from '../ledger/outcome.js';
import { slotInterval } from '../limiter/pace.js';
import { readDepth, type QueueDepth } from '../queue/depth.js';
import type { DestroyQueue } from '../queue/open.js';
import { printable } from '../redact.js';
import { secondsLeft } from './eta.js';
import { onInterrupt } from './interrupt.js';
import { print, type Io } from './io.js';
import { clockTime, count, duration, rooms } from './text.js';
import { withStores } from './with-stores.js';

interface StatusFlags {
  batch?: string;
  watch?: boolean;
  json?: boolean;
}

export interface Status {
  paused: boolean;
  lines: LineState[];
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
    .option('--watch', 'show it again every second')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: StatusFlags) => {
      const config = readConfig(io.env, { app: true, credentials: false });
      await withStores(config, io, async ({ queue, database }) => {
        const interrupt = onInterrupt();
        do {
          const status = await readStatus(config, database, queue, flags.batch);
          if (flags.watch && io.stdout.isTTY) io.stdout.write('\u001b[H\u001b[2J');
          print(io, flags.json ? JSON.stringify(toJson(status)) : toText(status, Date.now()));
          if (flags.watch)
            await sleep(1_000, undefined, { signal: interrupt.signal }).catch(() => undefined);
        } while (flags.watch && !interrupt.signal.aborted);
        interrupt.dispose();
      });
    });
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
      'USAGE',
      `--batch must be the id or name of a batch, got ${JSON.stringify(printable(batch))}; room-reaper status lists them`,
    );
  }
  const rate = Math.max(...lines.map((line) => line.ratePerSecond), 0) || 1000 / intervalMs;
  return {
    paused: depth.paused,
    lines,
    queue: depth,
    etaSeconds:
      secondsLeft({
        roomsAhead: depth.waiting + depth.active,
        ratePerSecond: rate,
        fullRatePerSecond: 1000 / intervalMs,
        requestsPerRoom: await readRequestsPerRoom(database, config.sdkAppId),
      }) ?? 0,
    batches,
  };
}

function toJson(status: Status): unknown {
  return {
    line: status.paused
      ? 'paused'
      : status.lines.some((line) => line.stopped)
        ? 'stopped'
        : 'running',
    lines: status.lines.map(({ host, ratePerSecond, brakeReason, stopped }) => ({
      host,
      state: stopped ? 'stopped' : brakeReason === undefined ? 'running' : 'braked',
      ratePerSecond: Math.round(ratePerSecond * 10) / 10,
      brakeReason,
      stopped: stopped && {
        code: stopped.code,
        reason: stopped.reason,
        remedy: stopped.remedy,
        since: new Date(stopped.sinceMs).toISOString(),
        probeAt: new Date(stopped.probeAtMs).toISOString(),
      },
    })),
    queue: status.queue,
    etaSeconds: Math.round(status.etaSeconds * 10) / 10,
    batches: status.batches.map((batch) => ({
      id: batch.id,
      name: batch.name,
      total: batch.total,
      finished: finishedCount(batch),
      outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, batch[outcome]])),
      createdAt: new Date(batch.createdAtMs).toISOString(),
      finishedAt:
        batch.finishedAtMs === undefined ? undefined : new Date(batch.finishedAtMs).toISOString(),
    })),
  };
}

function toText(status: Status, now: number): string {
  const lines = status.lines.flatMap(describeLine);
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
  const moving = !status.paused && !status.lines.some((line) => line.stopped);
  if (moving && status.etaSeconds > 0) {
    lines.push(
      `${duration(status.etaSeconds)} left, done ${clockTime(now + status.etaSeconds * 1000)}`,
    );
  }
  for (const batch of status.batches) lines.push('', ...describeBatch(batch));
  return lines.join('\n');
}

function describeLine(line: LineState): string[] {
  if (line.stopped) {
    const { code, reason, remedy, sinceMs, probeAtMs } = line.stopped;
    return [
      `${line.host}: STOPPED since ${clockTime(sinceMs)}: ${printable(reason)}${code === undefined ? '' : ` (${code})`}`,
      ...(remedy === undefined ? [] : [`  what to do: ${remedy}`]),
      `  one room tries again at ${clockTime(probeAtMs)}`,
    ];
  }
  const brake = line.brakeReason === undefined ? '' : `, braked: ${printable(line.brakeReason)}`;
  return [`${line.host}: running, ${line.ratePerSecond.toFixed(1)} requests/s${brake}`];
}

function describeBatch(batch: BatchProgress): string[] {
  const finished = finishedCount(batch);
  const counts = outcomes
    .filter((outcome) => batch[outcome] > 0)
    .map((outcome) => `${count(batch[outcome])} ${outcome}`);
  const when =
    batch.finishedAtMs === undefined
      ? ''
      : `, finished ${new Date(batch.finishedAtMs).toLocaleString()}`;
  return [
    `batch ${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`,
    `  ${count(finished)} of ${rooms(batch.total)}${when}`,
    ...(counts.length > 0 ? [`  ${counts.join(', ')}`] : []),
  ];
}
