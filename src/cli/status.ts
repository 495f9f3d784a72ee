/** `room-reaper status`: the line, its rate, what waits, how long, the batches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { ReaperError } from '../errors.js';
import { describeError, whatMakesIt } from './advice.js';
import type { Line } from '../operations/line.js';
import {
  createStatusReader,
  statusJson,
  type LedgerStatus,
  type QueueStatus,
  type SeenWorker,
  type Status,
  type StatusBatch,
} from '../operations/status.js';
import { whyNothingMoves } from '../operations/standstill.js';
import { openSources } from '../operations/status-sources.js';
import { describeLimit } from '../operations/pause.js';
import { printable } from '../redact.js';
import { onInterrupt } from './interrupt.js';
import { print, say, type Io } from './io.js';
import { lineStands } from './line-text.js';
import { createScreen, show } from './screen.js';
import { batchEnds, batchHead, describeLastRooms } from './summary-text.js';
import {
  clockTime,
  count,
  deliveriesFail,
  deliveriesRemedy,
  duration,
  numbered,
  outcomeList,
  pausedBy,
  rooms,
  sourceList,
  whyItStands,
} from '../text.js';

interface StatusFlags {
  batch?: string;
  watch?: boolean;
  json?: boolean;
}

const help = `
Examples:
  room-reaper status
  room-reaper status --watch
  room-reaper status --batch new-year --json`;

export function statusCommand(io: Io): Command {
  return new Command('status')
    .option('--batch <ID>', 'only this batch, by id or name')
    .option('--watch', 'show it again every second, until interrupted')
    .option('--json', 'print one JSON object on stdout; with --watch one a line')
    .addHelpText('after', help)
    .action(async (flags: StatusFlags) => {
      const config = readConfig(io.env, { app: true, credentials: false });
      const sources = await openSources(config, (message) => say(io, message));
      try {
        if (flags.watch) {
          await watch(createStatusReader(sources, flags.batch, slowAfterMs), flags, io);
          return;
        }
        const status = await createStatusReader(sources, flags.batch)();
        const trouble = troublesOf(status);
        // Of what is known nothing is kept back; the exit code says that it is not all.
        if (status.queue !== undefined || status.ledger !== undefined) {
          if (flags.json) print(io, JSON.stringify(statusJson(status)));
          else show(io, toText(status, Date.now()));
        }
        if (trouble.length > 0) throw new ReaperError('UNAVAILABLE', trouble.join('; '));
      } finally {
        await sources.close();
      }
    });
}

function troublesOf({ trouble }: Status): string[] {
  const all = [trouble.queue, trouble.ledger].flatMap((error) =>
    error ? describeError(error) : [],
  );
  return [...new Set(all)];
}

/** How long one look waits for an answer, in milliseconds. */
const slowAfterMs = 3_000;

/** What was known of each store when it last answered. */
interface Before {
  queue?: { text: string; atMs: number };
  ledger?: { text: string; atMs: number };
}

/**
 * With `--json` one object a line, every second, for whoever reads it. A server that goes away
 * does not end it: whoever watches wants to see it come back.
 */
async function watch(read: () => Promise<Status>, flags: StatusFlags, io: Io): Promise<void> {
  const interrupt = onInterrupt(io);
  const { signal } = interrupt;
  const screen = createScreen(io);
  const interrupted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  const before: Before = {};
  try {
    while (!signal.aborted) {
      const reading = read();
      // Told by the race, or not at all once it is interrupted.
      reading.catch(() => undefined);
      const status = await Promise.race([reading, interrupted]);
      if (status === undefined) break;
      const now = Date.now();
      if (flags.json) print(io, JSON.stringify(statusJson(status)));
      else screen.show(toText(status, now, before));
      if (status.queue) before.queue = { text: describeQueue(status.queue), atMs: now };
      if (status.ledger)
        before.ledger = { text: describeLedger(status.ledger, status).join('\n'), atMs: now };
      await sleep(1_000, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    screen.end();
    interrupt.dispose();
  }
}

/** @param before - where it is watched: what is away now is told as it was. */
function toText(status: Status, now: number, before?: Before): string {
  const { queue, ledger, trouble, standstill, etaSeconds = 0 } = status;
  const why = standstill && whyNothingMoves(standstill, queue?.readOnly);
  const again = before === undefined ? '' : '; asking again every second';
  const lines = [status.app];
  if (status.nothingIn !== undefined) return describeNothing(status.app, status.nothingIn);
  if (trouble.queue || trouble.ledger) {
    lines.push(...troublesOf(status).map((message) => `${printable(message, 500)}${again}`), '');
  }
  if (ledger !== undefined) lines.push(...describeLedger(ledger, status));
  if (queue?.paused)
    lines.push(`${pausedBy(queue.pause, now)}; run \`room-reaper resume\` to go on`);
  if (ledger !== undefined) lines.push(...describeWorkers(ledger.workers, now));
  if (queue?.limit !== undefined) lines.push(describeLimit(queue.limit));
  if (queue !== undefined) lines.push(describeQueue(queue));
  else lines.push(`what waits is not known${asBefore(before?.queue)}`);
  if (etaSeconds > 0) lines.push(describeEta(etaSeconds, now));
  else if (why !== undefined) lines.push(`nothing moves: ${why}`);
  if (ledger?.notifications)
    lines.push(`${deliveriesFail(ledger.notifications, now)}; what to do: ${deliveriesRemedy}`);
  if (ledger === undefined)
    lines.push(`line, workers and batches are not known${asBefore(before?.ledger)}`);
  const batches = ledger?.batches ?? [];
  // What is under way stands above what has ended.
  const inOrder = [false, true].flatMap((ended) =>
    batches.filter(({ finishedAtMs }) => (finishedAtMs !== undefined) === ended),
  );
  for (const batch of inOrder) lines.push('', ...describeBatch(batch, now));
  return lines.join('\n');
}

function describeNothing(app: string, directory: string): string {
  return [
    app,
    'there is nothing here: no worker has run yet with the embedded database in',
    `  ${printable(directory, 500)}`,
    'which is not made. If it is elsewhere, run this there or set ROOM_REAPER_DATA_DIR;',
    `if not, ${whatMakesIt}.`,
  ].join('\n');
}

function asBefore(before: { text: string; atMs: number } | undefined): string {
  if (before === undefined) return '';
  const isLong = before.text.includes('\n');
  return `; at ${clockTime(before.atMs)} it was:${isLong ? '\n' : ' '}${before.text}`;
}

function describeLedger({ lines, haltedReads }: LedgerStatus, status: Status): string[] {
  if (lines.length === 0) return ['no worker has run yet; start one with `room-reaper worker`'];
  return [
    ...lines.flatMap((line) => [
      ...describeLine(line, status),
      ...(line.left ? [`  ${status.host} runs since; \`room-reaper resume\` forgets this`] : []),
    ]),
    ...haltedReads.flatMap(({ command, halt }) => [
      `${command}: ${halt.outage ? 'NOT ANSWERED' : 'STOPPED'} since ${clockTime(halt.sinceMs)}: ${whyItStands(halt)}; rooms that need it wait, the others go on`,
      ...(halt.remedy === undefined ? [] : [`  what to do: ${printable(halt.remedy)}`]),
    ]),
  ];
}

function describeQueue({ lanes, waiting, active, delayed, failed }: QueueStatus): string {
  const byLane = (['urgent', 'retry', 'normal', 'bulk'] as const)
    .filter((lane) => lanes[lane] > 0)
    .map((lane) => `${count(lanes[lane])} ${lane}`);
  return (
    `${rooms(waiting)} waiting${byLane.length > 0 ? ` (${byLane.join(', ')})` : ''}, ${count(active)} in hand, ` +
    `${count(delayed)} delayed, ${count(failed)} kept in BullMQ's failed set`
  );
}

function describeWorkers(workers: readonly SeenWorker[], now: number): string[] {
  const atWork = workers.filter((worker) => worker.isAlive);
  if (workers.length === 0) return [];
  return [
    `${numbered(atWork.length, 'worker')} at work`,
    ...workers.map((worker) => `  ${describeWorker(worker, now)}`),
  ];
}

function describeWorker(worker: SeenWorker, now: number): string {
  const { host, pid, version, keyFingerprint, inHand, reason } = worker;
  const name = `${printable(host)}:${pid}`;
  if (!worker.isAlive)
    return `${name}: NOT HEARD OF for ${duration((now - worker.seenAtMs) / 1000)}; what it had in hand goes to others`;
  const why = reason === undefined ? '' : ` (${printable(reason)})`;
  const state = worker.state === 'holding_back' ? 'HOLDING BACK' : worker.state;
  return `${name}: ${state}${why}, ${count(inHand)} in hand, key ${printable(keyFingerprint)}, version ${printable(version)}, since ${clockTime(worker.startedAtMs)}`;
}

function describeEta(seconds: number, now: number): string {
  return `${duration(seconds)} left, done ${clockTime(now + seconds * 1000)}`;
}

function describeLine(
  { host, state, ratePerSecond, brakeReason, quotaFound }: Line,
  { standstill, ledger, host: own }: Status,
): string[] {
  if (state.kind === 'stopped') {
    const { remedy, sinceMs, probeAtMs } = state.halt;
    return [
      `${host}: STOPPED since ${clockTime(sinceMs)}: ${whyItStands(state.halt)}`,
      ...(remedy === undefined ? [] : [`  what to do: ${printable(remedy)}`]),
      `  one room tries again at ${clockTime(probeAtMs)}`,
    ];
  }
  if (state.kind === 'outage') {
    return [
      `${host}: BRAKED, the API does not work since ${clockTime(state.halt.sinceMs)}: ${whyItStands(state.halt)}; ` +
        'nothing is spent, one room tries every two seconds, and the rest follows when it works',
    ];
  }
  const found =
    quotaFound === undefined
      ? ''
      : `; quota found: ${quotaFound.ratePerSecond.toFixed(0)} requests/s, at ${clockTime(quotaFound.atMs)}`;
  const brake = brakeReason === undefined ? '' : `, braked: ${printable(brakeReason)}`;
  const isUsed = (ledger?.workers.length ?? 0) > 0 && host === own;
  const sent = isUsed ? `, ${ledger?.sentPerSecond.toFixed(1)} sent in the last 10 s` : '';
  return [
    `${host}: ${lineStands(standstill)}, ${ratePerSecond.toFixed(1)} requests/s allowed${sent}${brake}${found}`,
  ];
}

function describeBatch(batch: StatusBatch, now: number): string[] {
  const parts = [`${count(batch.finished)} of ${rooms(batch.total)}`, ...batchEnds(batch)];
  if (batch.isMoving) parts.push(`${Math.round(batch.ratePerSecond)}/s`);
  if (batch.etaSeconds !== undefined) parts.push(describeEta(batch.etaSeconds, now));
  const counts = [outcomeList(batch), sourceList(batch.statisticsFrom)].filter(Boolean).join('; ');
  const last = batch.last ? describeLastRooms(batch.last) : [];
  return [
    ...[...batchHead(batch), `  ${parts.join(', ')}`, ...(counts === '' ? [] : [`  ${counts}`])],
    ...last.map((room) => `    ${room}`),
  ];
}
