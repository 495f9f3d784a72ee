/** What `explain` prints. Pure. */
import { stringify } from 'lossless-json';
import type { KnownAttempt, KnownDestruction, RoomHistory } from '../ledger/explain.js';
import type { LineState } from '../ledger/line.js';
import type { LocatedJob } from '../queue/locate.js';
import { printable } from '../redact.js';
import type { Statistics } from '../destruction.js';
import { count, duration, instant, rooms } from '../text.js';

export interface Explanation {
  roomId: string;
  nowMs: number;
  /** By hand. */
  paused: boolean;
  /** The endpoint's host of this configuration. */
  host: string;
  /** undefined: no worker has run on this host yet. */
  line: LineState | undefined;
  lastSlotAtMs: number | undefined;
  fullRatePerSecond: number;
  /** The destruction that is still to be done. */
  pending: LocatedJob | undefined;
  /** By destruction id: what of it is on the queue. */
  jobs: ReadonlyMap<string, LocatedJob>;
  history: RoomHistory;
}

/** So long without a slot, while rooms wait on a running line, means that no worker runs. In milliseconds. */
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
function holdUp({ paused, line }: Explanation, before: string): string {
  if (paused) return `${before}the queue is paused by hand; run \`room-reaper resume\` to go on`;
  if (line?.stopped) {
    const { reason, code, remedy } = line.stopped;
    return `${before}the line is stopped: ${withCode(reason, code)}${remedy === undefined ? '' : `; ${remedy}`}`;
  }
  if (line?.outage) {
    const { reason, code } = line.outage;
    return `${before}the API does not work: ${withCode(reason, code)}; it goes on by itself when it does`;
  }
  return '';
}

function queueAhead(
  explanation: Explanation,
  job: LocatedJob,
  place: { ahead: number; exact: boolean },
): string {
  const { line, lastSlotAtMs, nowMs, fullRatePerSecond } = explanation;
  const { ahead, exact } = place;
  const lane = job.lane === undefined ? '' : ` in the ${job.lane} lane`;
  const who =
    ahead === 0 ? `next${lane}` : `${exact ? '' : 'at most '}${rooms(ahead)} ahead${lane}`;
  if (line === undefined) return `${who}; no worker has run yet, start one`;
  // A room that was asked for a moment ago says nothing about the workers yet.
  const silentFor = nowMs - Math.max(lastSlotAtMs ?? 0, job.destruction?.requestedAtMs ?? 0);
  if (silentFor > silenceMs) {
    const since = lastSlotAtMs === undefined ? '' : ` since ${instant(lastSlotAtMs, nowMs)}`;
    return `${who}, and nothing was sent${since}: look whether a worker runs`;
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

function withCode(reason: string, code: number | undefined): string {
  return `${printable(reason)}${code === undefined ? '' : ` (${code})`}`;
}

export function toText(explanation: Explanation): string {
  const { roomId, nowMs, pending, history, jobs } = explanation;
  const lines = [`${printable(roomId)}: ${summaryOf(explanation)}`];
  const known = history.destructions.some(({ id }) => id === pending?.id);
  if (pending !== undefined && !known) lines.push('', ...describeUnstarted(pending, nowMs));
  for (const destruction of history.destructions) {
    lines.push('', ...describeDestruction(destruction, jobs.get(destruction.id), nowMs));
  }
  const more = history.total - history.destructions.length;
  if (more > 0)
    lines.push(
      '',
      `${count(more)} older ${more === 1 ? 'destruction' : 'destructions'} of it not shown`,
    );
  lines.push('', describeLine(explanation));
  return lines.join('\n');
}

/** No worker has taken it up: the ledger does not know it yet. */
function describeUnstarted(job: LocatedJob, nowMs: number): string[] {
  const { destruction } = job;
  return [
    `destruction ${job.id}: ${stateOf(job)}, never taken up`,
    ...(destruction === undefined ? [] : [`  ${asked(destruction, destruction.batchId, nowMs)}`]),
  ];
}

function describeDestruction(
  destruction: KnownDestruction,
  job: LocatedJob | undefined,
  nowMs: number,
): string[] {
  const { id, outcome, batch, errorInfo, attempts, attemptCount, statistics } = destruction;
  const batchText =
    batch && `${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`;
  const earlier = attemptCount - attempts.length;
  return [
    `destruction ${id}: ${outcome ?? (job === undefined ? 'open' : `open, ${stateOf(job)}`)}`,
    `  ${asked(destruction, batchText, nowMs)}`,
    ...(job?.place.state === 'failed'
      ? [`  in BullMQ's failed set: ${printable(job.place.reason)}`]
      : []),
    ...(earlier > 0 ? [`  ${count(earlier)} earlier attempts not shown`] : []),
    ...attempts.map((attempt) => `  ${describeAttempt(attempt, nowMs)}`),
    ...(errorInfo === undefined ? [] : [`  ErrorInfo: ${printable(errorInfo)}`]),
    ...(statistics === undefined
      ? []
      : [`  ${describeStatistics(statistics, destruction.statisticsSource)}`]),
  ];
}

function stateOf({ place, lane, failedRuns }: LocatedJob): string {
  switch (place.state) {
    case 'waiting':
      return `waiting${lane === undefined ? '' : ` in the ${lane} lane`}`;
    case 'in_hand':
      return 'in hand of a worker';
    case 'delayed':
      return failedRuns > 0 ? 'waiting for a later retry' : 'not due yet';
    case 'failed':
      return 'failed';
    default:
      return place satisfies never;
  }
}

function asked(
  { requestedAtMs, notAfterMs }: { requestedAtMs: number; notAfterMs: number },
  batch: string | undefined,
  nowMs: number,
): string {
  const inBatch = batch === undefined ? '' : `, batch ${batch}`;
  return `asked for ${instant(requestedAtMs, nowMs)}, deadline ${instant(notAfterMs, nowMs)}${inBatch}`;
}

function describeAttempt(attempt: KnownAttempt, nowMs: number): string {
  const { sentAtMs, endedAtMs, slotAtMs, verdict, reason, requestId } = attempt;
  const times = [
    `slot ${instant(slotAtMs, nowMs, true)}`,
    ...(sentAtMs === undefined ? [] : [`sent ${instant(sentAtMs, nowMs, true)}`]),
    ...(endedAtMs === undefined ? [] : [`ended ${instant(endedAtMs, nowMs, true)}`]),
  ];
  const facts = [
    ...(attempt.httpStatus === undefined ? [] : [`HTTP ${attempt.httpStatus}`]),
    ...(attempt.errorCode === undefined ? [] : [`code ${attempt.errorCode}`]),
    endedAtMs === undefined
      ? 'no answer recorded: under way, or its worker died'
      : `${verdict ?? 'no verdict'}: ${printable(reason ?? '')}`,
    ...(attempt.mayHaveActed ? ['may have destroyed the room'] : []),
    ...(requestId === undefined ? [] : [`RequestId ${printable(requestId)}`]),
  ];
  return `attempt ${attempt.attempt}: ${[...times, ...facts].join(', ')}`;
}

function describeStatistics(statistics: Statistics, source: string | undefined): string {
  const { totalViewers, totalGiftsSent, totalGiftCoins } = statistics;
  return (
    `statistics (${printable(source ?? 'unknown source')}): ${count(totalViewers)} viewers, ${count(totalGiftsSent)} gifts, ` +
    `${count(totalGiftCoins)} coins, ${count(statistics.totalUniqueGiftSenders)} gift senders, ` +
    `${count(statistics.totalLikesReceived)} likes`
  );
}

function describeLine(explanation: Explanation): string {
  const { line, host, nowMs, lastSlotAtMs, paused } = explanation;
  if (line === undefined)
    return `line of ${host}: no worker has run yet${paused ? '; paused by hand' : ''}`;
  const last = lastSlotAtMs === undefined ? '' : `, last slot ${instant(lastSlotAtMs, nowMs)}`;
  if (line.stopped) {
    const { code, reason, sinceMs, probeAtMs } = line.stopped;
    return `line of ${host}: STOPPED since ${instant(sinceMs, nowMs)}: ${withCode(reason, code)}; one room tries again at ${instant(probeAtMs, nowMs)}`;
  }
  if (line.outage) {
    const { code, reason, sinceMs } = line.outage;
    return `line of ${host}: BRAKED, the API does not work since ${instant(sinceMs, nowMs)}: ${withCode(reason, code)}; one room tries every two seconds${last}`;
  }
  const brake = line.brakeReason === undefined ? '' : `, braked: ${printable(line.brakeReason)}`;
  return `line of ${host}: ${paused ? 'paused by hand' : 'running'}, ${line.ratePerSecond.toFixed(1)} requests/s${brake}${last}`;
}

/** Times are ISO 8601; statistics are exact, also beyond 2⁵³. */
export function toJson(explanation: Explanation): string {
  const { roomId, pending, history, jobs, line, paused, host, lastSlotAtMs } = explanation;
  const shown = new Set(history.destructions.map(({ id }) => id));
  return (
    stringify({
      roomId,
      summary: summaryOf(explanation),
      line: {
        host,
        state: lineState(explanation),
        paused,
        ratePerSecond: line && Math.round(line.ratePerSecond * 10) / 10,
        brakeReason: line?.brakeReason,
        stopped: line?.stopped && {
          code: line.stopped.code,
          reason: line.stopped.reason,
          remedy: line.stopped.remedy,
          since: iso(line.stopped.sinceMs),
          probeAt: iso(line.stopped.probeAtMs),
        },
        outage: line?.outage && {
          code: line.outage.code,
          reason: line.outage.reason,
          since: iso(line.outage.sinceMs),
          probeAt: iso(line.outage.probeAtMs),
        },
        lastSlotAt: iso(lastSlotAtMs),
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

function lineState({ paused, line }: Explanation): string {
  if (paused) return 'paused';
  if (line === undefined) return 'never_used';
  if (line.stopped) return 'stopped';
  return (line.outage ?? line.brakeReason) ? 'braked' : 'running';
}

function jobJson({ id, destruction, lane, failedRuns, place }: LocatedJob) {
  return {
    destructionId: id,
    state: place.state,
    lane,
    failedRuns,
    ...(place.state === 'waiting' ? { ahead: place.ahead, exact: place.exact } : {}),
    ...(place.state === 'in_hand' ? { since: iso(place.sinceMs) } : {}),
    ...(place.state === 'delayed' ? { dueAt: iso(place.dueAtMs) } : {}),
    ...(place.state === 'failed' ? { reason: place.reason, failedAt: iso(place.atMs) } : {}),
    requestedAt: iso(destruction?.requestedAtMs),
    deadline: iso(destruction?.notAfterMs),
    batchId: destruction?.batchId,
    holdsUnsavedResult: destruction?.unsavedResult !== undefined,
  };
}

function destructionJson(destruction: KnownDestruction, job: object | undefined) {
  const { id, outcome, errorCode, errorInfo, requestId, batch, statistics } = destruction;
  return {
    id,
    outcome,
    requestedAt: iso(destruction.requestedAtMs),
    deadline: iso(destruction.notAfterMs),
    finishedAt: iso(destruction.finishedAtMs),
    batch,
    errorCode,
    errorInfo,
    requestId,
    statisticsSource: destruction.statisticsSource,
    statistics,
    attempts: destruction.attempts.map((attempt) => ({
      attempt: attempt.attempt,
      slotAt: iso(attempt.slotAtMs),
      sentAt: iso(attempt.sentAtMs),
      endedAt: iso(attempt.endedAtMs),
      httpStatus: attempt.httpStatus,
      errorCode: attempt.errorCode,
      verdict: attempt.verdict,
      reason: attempt.reason,
      mayHaveActed: attempt.mayHaveActed,
      requestId: attempt.requestId,
    })),
    earlierAttempts: destruction.attemptCount - destruction.attempts.length,
    job,
  };
}

/** undefined also for a time that no calendar has: anyone with access to the queue can write one. */
function iso(ms: number | undefined): string | undefined {
  if (ms === undefined || Number.isNaN(new Date(ms).getTime())) return undefined;
  return new Date(ms).toISOString();
}
