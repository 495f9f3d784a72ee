/** Why a room is still alive, or what became of it. It asks queue and ledger, and sends nothing. */
import { stringify } from 'lossless-json';
import {
  readRoomHistory,
  type KnownAttempt,
  type KnownDestruction,
  type RoomHistory,
} from '../ledger/explain.js';
import { readLines, stateOf, type Line, type LineState } from '../ledger/line.js';
import { readWorkers } from '../ledger/workers.js';
import { locateJob, locateRoom, type LocatedJob } from '../queue/locate.js';
import { printable } from '../redact.js';
import { checkRoomId } from '../room-id.js';
import { duration, instant, isoTime, rooms, rounded, whyItStands, withCode } from '../text.js';
import { haltJson, lineWords } from './line.js';
import type { Service } from './service.js';

export type { KnownAttempt, KnownDestruction, LocatedJob };

export interface Explanation {
  roomId: string;
  nowMs: number;
  /** The endpoint's host of this configuration. */
  host: string;
  /** undefined: no worker has run on this host yet. */
  line: Line | undefined;
  state: LineState;
  fullRatePerSecond: number;
  /** Of this line. */
  workersAlive: number;
  /** The destruction that is still to be done. */
  pending: LocatedJob | undefined;
  /** By destruction id: what of it is on the queue. */
  jobs: ReadonlyMap<string, LocatedJob>;
  history: RoomHistory;
}

/** What is shown of a room that was asked for again and again: the newest. */
const most = { destructions: 5, attempts: 50 };

/** @throws ReaperError `INVALID` where it is no RoomId. */
export async function explain(service: Service, roomId: string): Promise<Explanation> {
  checkRoomId(roomId);
  const { database, config, intervalMs, lineId } = service;
  const { queue, lookUp } = await service.queue();
  // The queue first: a job that ends between the two is in the ledger by then.
  const pending = await locateRoom(queue, lookUp, roomId);
  const [history, lines, workers, paused] = await Promise.all([
    readRoomHistory(database, config.sdkAppId, roomId, most),
    readLines(database, config.sdkAppId, intervalMs),
    readWorkers(database, config.sdkAppId),
    queue.isPaused(),
  ]);
  const line = lines.find((each) => each.id === lineId);
  const jobs = new Map<string, LocatedJob>(pending && [[pending.id, pending]]);
  for (const { id } of history.destructions) {
    const job = jobs.get(id) ?? (await locateJob(queue, lookUp, id));
    if (job !== undefined) jobs.set(id, job);
  }
  return {
    roomId,
    nowMs: Date.now(),
    host: service.lineKey.host,
    line,
    state: stateOf(line, paused),
    fullRatePerSecond: 1000 / intervalMs,
    workersAlive: workers.filter((each) => each.isAlive && each.lineId === lineId).length,
    pending,
    jobs,
    history,
  };
}

/** So long without a slot, while rooms wait on a running line, means that no worker moves. In milliseconds. */
const silenceMs = 30_000;

/** One sentence that answers the question. */
export function summaryOf(explanation: Explanation): string {
  const { pending, history } = explanation;
  if (pending !== undefined) return describePending(explanation, pending);
  const [newest] = history.destructions;
  if (newest === undefined) {
    return 'nothing is known of this room: it was never asked for, or its record was removed';
  }
  return describeEnd(explanation, newest);
}

function describePending(explanation: Explanation, job: LocatedJob): string {
  const { nowMs } = explanation;
  const { place, destruction } = job;
  if (destruction === undefined) {
    return 'its job on the queue holds no valid destruction; a worker will refuse it';
  }
  if (destruction.unsavedResult !== undefined) {
    return 'it was answered; its result is in the job, until the ledger takes it';
  }
  if (place.state === 'in_hand') {
    const since = place.sinceMs === undefined ? '' : ` since ${instant(place.sinceMs, nowMs)}`;
    return `in hand of a worker${since}${holdUp(explanation, '; ')}`;
  }
  if (destruction.notAfterMs < nowMs) {
    return `its deadline passed at ${instant(destruction.notAfterMs, nowMs)}; the next worker to take it up ends it unsent`;
  }
  switch (place.state) {
    case 'waiting':
      return `waiting${holdUp(explanation, ': ') || `: ${queueAhead(explanation, job, place)}`}`;
    case 'delayed': {
      const what = job.failedRuns > 0 ? 'waiting for a later retry' : 'not due yet';
      if (place.dueAtMs === undefined) return `${what}${holdUp(explanation, '; ')}`;
      const inMs = place.dueAtMs - nowMs;
      const due = inMs > 0 ? `in ${duration(inMs / 1000)}` : 'now';
      return `${what}: due ${due}, at ${instant(place.dueAtMs, nowMs)}${holdUp(explanation, '; ')}`;
    }
    case 'failed':
      return `ended and not gone: ${printable(place.reason)}`;
    default:
      return place satisfies never;
  }
}

/** What keeps all rooms waiting; empty where nothing does. */
function holdUp({ state }: Explanation, before: string): string {
  switch (state.kind) {
    case 'paused':
      return `${before}the queue is paused by hand; run \`room-reaper resume\` to go on`;
    case 'stopped': {
      const { remedy } = state.halt;
      return `${before}the line is stopped: ${whyItStands(state.halt)}${remedy === undefined ? '' : `; ${remedy}`}`;
    }
    case 'outage':
      return `${before}the API does not work: ${whyItStands(state.halt)}; it goes on by itself when it does`;
    case 'running':
    case 'braked':
    case 'never_used':
      return '';
    default:
      return state satisfies never;
  }
}

function queueAhead(
  explanation: Explanation,
  job: LocatedJob,
  place: { ahead: number; exact: boolean },
): string {
  const { line, nowMs, fullRatePerSecond, workersAlive } = explanation;
  const { ahead, exact } = place;
  const lane = job.lane === undefined ? '' : ` in the ${job.lane} lane`;
  const who =
    ahead === 0 ? `next${lane}` : `${exact ? '' : 'at most '}${rooms(ahead)} ahead${lane}`;
  if (line === undefined) return `${who}; no worker has run yet, start one`;
  if (workersAlive === 0) return `${who}; no worker is at work, start one`;
  const { lastSlotMs } = line;
  // A room that was asked for a moment ago says nothing about the workers yet.
  const silentFor = nowMs - Math.max(lastSlotMs ?? 0, job.destruction?.requestedAtMs ?? 0);
  if (silentFor > silenceMs) {
    const since = lastSlotMs === undefined ? '' : ` since ${instant(lastSlotMs, nowMs)}`;
    return `${who}, and nothing was sent${since}: look what the workers do (\`room-reaper status\`)`;
  }
  const rate = line.ratePerSecond || fullRatePerSecond;
  const brake = line.brakeReason === undefined ? '' : ` (braked: ${printable(line.brakeReason)})`;
  return `${who}, about ${duration(Math.max(1, ahead / rate))}${brake}`;
}

function describeEnd(explanation: Explanation, destruction: KnownDestruction): string {
  const { nowMs } = explanation;
  const { outcome, errorCode, finishedAtMs, attempts } = destruction;
  const at = finishedAtMs === undefined ? '' : ` at ${instant(finishedAtMs, nowMs)}`;
  const last = attempts.at(-1);
  const acted = attempts.find(({ verdict }) => verdict === 'destroyed');
  const by = acted === undefined ? '' : ` by attempt ${acted.attempt}`;
  const perhaps = attempts.some(({ mayHaveActed }) => mayHaveActed)
    ? '; an attempt may have destroyed it all the same'
    : '';
  const why = withCode(last?.reason ?? destruction.errorInfo ?? 'no reason recorded', errorCode);
  switch (outcome) {
    case undefined: {
      const what = 'open in the ledger, and its job is not on the queue';
      return `${what}: it has just ended, or the job was removed; ask for the room again if this stays`;
    }
    case 'destroyed':
      return `destroyed${at}${by}; statistics saved`;
    case 'destroyed_statistics_lost':
      return destruction.statistics === undefined
        ? `destroyed, known${at}; its statistics were lost on the way`
        : `destroyed, known${at}; statistics from another source`;
    case 'already_gone':
      return `already gone: it did not exist${at}`;
    case 'rejected':
      return `not destroyed: the API refused it for good${at}: ${why}`;
    case 'failed':
      return `not known to be gone: every attempt was used up${at}, the last with ${why}${perhaps}`;
    case 'expired':
      return `not known to be gone: its deadline passed${at}${perhaps}`;
    case 'cancelled':
      return `not destroyed: it was taken back${at}, before it was sent`;
    default:
      return outcome satisfies never;
  }
}

/** The shape is a contract. Times are ISO 8601; statistics are exact, also beyond 2⁵³. */
export function explanationJson(explanation: Explanation): string {
  const { roomId, pending, history, jobs, line, state, host } = explanation;
  const shown = new Set(history.destructions.map(({ id }) => id));
  return (
    stringify({
      roomId,
      summary: summaryOf(explanation),
      line: {
        host,
        state: lineWords[state.kind],
        paused: state.kind === 'paused',
        ratePerSecond: line && rounded(line.ratePerSecond),
        brakeReason: line?.brakeReason,
        ...haltJson(state),
        lastSlotAt: isoTime(line?.lastSlotMs),
      },
      pending: pending && { ...jobJson(pending), takenUp: shown.has(pending.id) },
      destructions: history.destructions.map((destruction) => {
        const job = jobs.get(destruction.id);
        return destructionJson(destruction, job && jobJson(job));
      }),
      olderDestructions: history.total - history.destructions.length,
    }) ?? ''
  );
}

function jobJson({ id, destruction, lane, failedRuns, place }: LocatedJob) {
  return {
    destructionId: id,
    state: place.state,
    lane,
    failedRuns,
    ...(place.state === 'waiting' ? { ahead: place.ahead, exact: place.exact } : {}),
    ...(place.state === 'in_hand' ? { since: isoTime(place.sinceMs) } : {}),
    ...(place.state === 'delayed' ? { dueAt: isoTime(place.dueAtMs) } : {}),
    ...(place.state === 'failed' ? { reason: place.reason, failedAt: isoTime(place.atMs) } : {}),
    requestedAt: isoTime(destruction?.requestedAtMs),
    deadline: isoTime(destruction?.notAfterMs),
    batchId: destruction?.batchId,
    holdsUnsavedResult: destruction?.unsavedResult !== undefined,
  };
}

function destructionJson(destruction: KnownDestruction, job: object | undefined) {
  const { id, outcome, errorCode, errorInfo, requestId, batch, statistics } = destruction;
  return {
    id,
    outcome,
    requestedAt: isoTime(destruction.requestedAtMs),
    deadline: isoTime(destruction.notAfterMs),
    finishedAt: isoTime(destruction.finishedAtMs),
    batch,
    errorCode,
    errorInfo,
    requestId,
    statisticsSource: destruction.statisticsSource,
    statistics,
    attempts: destruction.attempts.map(({ attempt, slotAtMs, sentAtMs, endedAtMs, ...answer }) => ({
      attempt,
      slotAt: isoTime(slotAtMs),
      sentAt: isoTime(sentAtMs),
      endedAt: isoTime(endedAtMs),
      ...answer,
    })),
    earlierAttempts: destruction.attemptCount - destruction.attempts.length,
    job,
  };
}
