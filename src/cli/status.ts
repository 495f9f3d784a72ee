/** `room-reaper status`: the line, its rate, what waits, how long, the batches. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Line } from '../operations/line.js';
import type { Service } from '../operations/service.js';
import {
  readStatus,
  statusJson,
  type SeenWorker,
  type Status,
  type StatusBatch,
} from '../operations/status.js';
import { describeLimit } from '../operations/pause.js';
import { isPassing } from '../passing.js';
import { printable } from '../redact.js';
import { onInterrupt } from './interrupt.js';
import { print, type Io } from './io.js';
import { createScreen } from './screen.js';
import {
  clockTime,
  count,
  dayAndTime,
  duration,
  outcomeList,
  rooms,
  whyItStands,
} from '../text.js';
import { withOwnService } from './with-service.js';

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
      const show = (status: Status) =>
        flags.json ? JSON.stringify(statusJson(status)) : toText(status, Date.now());
      // What is watched says so itself.
      const quiet = flags.watch ? { onQueueError: () => undefined } : {};
      const use = async (service: Service) => {
        const read = () => readStatus(service, flags.batch);
        if (flags.watch) await watch(read, show, flags, io);
        else print(io, show(await read()));
      };
      await withOwnService(io, use, { readOnly: true, ...quiet });
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

function toText(status: Status, now: number): string {
  const lines = status.lines.flatMap((line) => [
    ...describeLine(line, status.paused),
    ...(line.left ? [`  ${status.host} runs since; \`room-reaper resume\` forgets this`] : []),
  ]);
  if (lines.length === 0) lines.push('no worker has run yet; start one with `room-reaper worker`');
  if (status.paused) lines.push('paused by hand; run `room-reaper resume` to go on');
  lines.push(...describeWorkers(status, now));
  const { queue, etaSeconds = 0 } = status;
  if (queue.limit !== undefined) lines.push(describeLimit(queue.limit));
  const byLane = (['urgent', 'retry', 'normal', 'bulk'] as const)
    .filter((lane) => queue.lanes[lane] > 0)
    .map((lane) => `${count(queue.lanes[lane])} ${lane}`);
  lines.push(
    `${rooms(queue.waiting)} waiting${byLane.length > 0 ? ` (${byLane.join(', ')})` : ''}, ${count(queue.active)} in hand, ` +
      `${count(queue.delayed)} delayed, ${count(queue.failed)} failed`,
  );
  if (etaSeconds > 0) lines.push(describeEta(etaSeconds, now));
  else if (queue.waiting > 0 && !status.workers.some((worker) => worker.isAlive))
    lines.push('nothing moves: no worker is at work; start one with `room-reaper worker`');
  for (const batch of status.batches) lines.push('', ...describeBatch(batch, now));
  return lines.join('\n');
}

function describeWorkers({ workers, sentPerSecond }: Status, now: number): string[] {
  const atWork = workers.filter((worker) => worker.isAlive);
  if (workers.length === 0) return [];
  return [
    `${count(atWork.length)} ${atWork.length === 1 ? 'worker' : 'workers'} at work, ${sentPerSecond.toFixed(1)} requests/s in the last 10 s`,
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
  paused: boolean,
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
  const stands = paused ? 'paused by hand, else running' : 'running';
  return [`${host}: ${stands}, ${ratePerSecond.toFixed(1)} requests/s allowed${brake}${found}`];
}

function describeBatch(batch: StatusBatch, now: number): string[] {
  const parts = [`${count(batch.finished)} of ${rooms(batch.total)}`];
  if (batch.cancelledAtMs !== undefined) {
    const by = batch.cancelledBy === undefined ? '' : ` by ${printable(batch.cancelledBy)}`;
    parts.push(`cancelled ${dayAndTime(batch.cancelledAtMs)}${by}`);
  }
  if (batch.finishedAtMs !== undefined) parts.push(`finished ${dayAndTime(batch.finishedAtMs)}`);
  if (batch.isMoving) parts.push(`${Math.round(batch.ratePerSecond)}/s`);
  if (batch.etaSeconds !== undefined) parts.push(describeEta(batch.etaSeconds, now));
  const by = batch.by === undefined ? '' : ` by ${printable(batch.by)}`;
  const note = batch.note === undefined ? '' : `: ${printable(batch.note)}`;
  const counts = outcomeList(batch);
  return [
    `batch ${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`,
    `  asked for ${dayAndTime(batch.createdAtMs)}${by}${note}`,
    ...(batch.origin === undefined ? [] : [`  replay of ${printable(batch.origin)}`]),
    `  ${parts.join(', ')}`,
    ...(counts === '' ? [] : [`  ${counts}`]),
  ];
}
