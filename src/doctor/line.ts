/** Whether rooms move: the line's state, and what waits, failed or is too late on the queue. */
import { isMoving, type HaltedRead, type Line } from '../ledger/line.js';
import { workerName, type SeenWorker } from '../ledger/workers.js';
import { limitRemedy, readDepth, type QueueDepth } from '../queue/depth.js';
import { type DestroyQueue, type Lane, lanes, readDestruction } from '../queue/job.js';
import type { PauseMark } from '../queue/pause.js';
import { printable } from '../redact.js';
import { count, isoTime, pausedBy, rooms, whyItStands } from '../text.js';
import { ok, problem, warning, type Finding } from './finding.js';

export interface WaitingFacts {
  depth: QueueDepth;
  /** Who paused it, where that is known. */
  pause?: PauseMark | undefined;
  /** The first room of each lane. */
  heads: { lane: Lane; requestedAtMs: number; notAfterMs: number }[];
}

export interface LineFacts {
  /** The line of the configured endpoint and those of other hosts; undefined: no ledger to ask. */
  lines: Line[] | undefined;
  /** Commands that only read and do not run. */
  haltedReads: HaltedRead[];
  workers: SeenWorker[];
  /** undefined: no queue to ask. */
  waiting: WaitingFacts | undefined;
}

export async function readWaiting(queue: DestroyQueue): Promise<WaitingFacts> {
  const depth = await readDepth(queue);
  const heads: WaitingFacts['heads'] = [];
  let first = 0;
  for (const lane of Object.keys(lanes) as Lane[]) {
    if (depth.lanes[lane] === 0) continue;
    const [jobId] = await queue.getRanges(['prioritized'], first, first, true);
    const job = jobId === undefined ? undefined : await queue.getJob(jobId);
    const destruction = readDestruction(job?.id, job?.data, job?.timestamp ?? 0);
    if (destruction !== undefined) {
      const { requestedAtMs, notAfterMs } = destruction;
      heads.push({ lane, requestedAtMs, notAfterMs });
    }
    first += depth.lanes[lane];
  }
  return { depth, heads };
}

/** So long without a slot, while a room waits that was asked for before, means that no worker runs. In milliseconds. */
const silenceMs = 60_000;

/** @param host - of the configured endpoint. */
export function judgeLine(facts: LineFacts, host: string | undefined, nowMs: number): Finding[] {
  return [
    ...(facts.lines === undefined
      ? [warning('the line was not looked at: the ledger cannot be used, or is not made yet')]
      : judgeState(facts, facts.lines, host)),
    ...judgeReads(facts.haltedReads, host),
    ...judgeWorkers(facts.workers),
    ...(facts.waiting === undefined
      ? [warning('what waits was not looked at: the queue cannot be used, or is not made yet')]
      : judgeWaiting(facts.waiting, facts.lines, host, nowMs)),
  ];
}

function judgeState(
  { waiting }: LineFacts,
  lines: readonly Line[],
  host: string | undefined,
): Finding[] {
  if (lines.length === 0) return [ok('no worker of this app has run yet')];
  return lines.map(({ host: ofHost, state, ratePerSecond, brakeReason = '' }) => {
    const of = ofHost === host ? '' : ` of ${ofHost}`;
    const rate = `${ratePerSecond.toFixed(1)} requests/s`;
    switch (state.kind) {
      case 'stopped': {
        const text = `the line${of} is stopped: ${whyItStands(state.halt)}`;
        const next = state.halt.remedy ?? 'mend the cause, then run `room-reaper resume`';
        // Another host is a stand-in, or where the app was before.
        return of === '' ? problem(text, next) : warning(text, next);
      }
      case 'outage':
        return warning(
          `the line${of} is braked, the API does not work: ${whyItStands(state.halt)}`,
          'it goes on by itself when the API works; see the findings about the endpoint',
        );
      case 'braked':
        return warning(
          `the line${of} is braked to ${rate}: ${printable(brakeReason)}`,
          'it climbs back by itself; if it stays, other programs use the quota: lower RATE_LIMIT_PER_SECOND',
        );
      case 'running':
        // Of a queue that is paused or cannot be seen nobody may say that it runs.
        return waiting?.depth.paused === false
          ? ok(`the line${of} runs at ${rate}`)
          : ok(`the line${of} is not what holds rooms up: ${rate} are allowed`);
      default:
        return state satisfies never;
    }
  });
}

/** Of the configured endpoint: another host is a stand-in, or where the app was before. */
function* judgeReads(reads: readonly HaltedRead[], host: string | undefined): Generator<Finding> {
  for (const { command, halt } of reads.filter((read) => read.host === host)) {
    const wait = 'rooms that need it wait, the others go on';
    const why = `${whyItStands(halt)}; ${wait}`;
    yield halt.outage
      ? warning(`${command} does not work: ${why}`, 'it goes on by itself when the API works')
      : problem(
          `${command} is stopped: ${why}`,
          halt.remedy ?? 'mend the cause, then run `room-reaper resume`',
        );
  }
}

function* judgeWorkers(workers: readonly SeenWorker[]): Generator<Finding> {
  const alive = workers.filter((worker) => worker.isAlive);
  for (const worker of workers) {
    const name = printable(workerName(worker));
    if (!worker.isAlive) {
      yield warning(
        `worker ${name} was last heard of at ${isoTime(worker.seenAtMs) ?? 'no time'} and did not say that it ends`,
        'look whether its machine and process are there; what it had in hand goes to the others',
      );
    } else if (worker.state === 'holding_back') {
      yield warning(
        `worker ${name} holds back, others succeed: ${printable(worker.reason ?? '')}`,
        'mend its key, network, DNS or certificates, and start it again',
      );
    }
  }
  for (const lineId of new Set(alive.map((worker) => worker.lineId))) {
    const ofLine = alive.filter((worker) => worker.lineId === lineId);
    const keys = new Map(ofLine.map((worker) => [worker.keyFingerprint, workerName(worker)]));
    if (keys.size < 2) continue;
    const which = [...keys].map(([key, name]) => `${printable(key)} (${printable(name)}, …)`);
    yield warning(
      `workers have ${keys.size} different keys: ${which.join(', ')}`,
      'right while a key is changed (docs/operations.md, "Changing the key"); else give all the same one',
    );
  }
  if (alive.length > 0)
    yield ok(`${count(alive.length)} ${alive.length === 1 ? 'worker is' : 'workers are'} at work`);
}

function* judgeWaiting(
  { depth, pause, heads }: WaitingFacts,
  lines: readonly Line[] | undefined,
  host: string | undefined,
  nowMs: number,
): Generator<Finding> {
  if (depth.paused) {
    yield warning(`the queue is ${pausedBy(pause, nowMs)}`, 'run `room-reaper resume` to go on');
  }
  if (depth.limit !== undefined) {
    yield warning(`a dashboard or a script set ${depth.limit} for the queue`, limitRemedy);
  }
  for (const { lane, notAfterMs } of heads) {
    if (notAfterMs >= nowMs) continue;
    yield warning(
      `the first room of the ${lane} lane is past its deadline: workers end it, and those like it, unsent`,
      'run more workers or find out why the line stands, then ask for the rooms again',
    );
  }
  const oldest = Math.min(...heads.map(({ requestedAtMs }) => requestedAtMs));
  const stands = depth.paused || (lines?.some(({ state }) => !isMoving(state)) ?? true);
  const lastSlotMs = lines?.find((line) => line.host === host)?.lastSlotMs;
  const silentFor = nowMs - Math.max(lastSlotMs ?? 0, oldest);
  if (heads.length > 0 && depth.active === 0 && !stands && silentFor > silenceMs) {
    yield warning(
      `rooms wait, and nothing was sent for ${Math.round(silentFor / 1000)} s`,
      'start a worker',
    );
  }
  if (depth.failed > 0) {
    yield warning(
      `${rooms(depth.failed)} of the last 14 days ended and ${depth.failed === 1 ? 'is' : 'are'} not gone`,
      'see "Rooms that are not gone" in docs/operations.md, and `room-reaper explain` for one of them',
    );
  }
  yield ok(
    `${rooms(depth.waiting)} ${depth.waiting === 1 ? 'waits' : 'wait'}, ${depth.active} in hand, ${count(depth.delayed)} delayed`,
  );
}
