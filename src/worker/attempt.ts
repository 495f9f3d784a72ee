/** Attempts of one destruction until one decides something. */
import { cancelledEnd } from '../ledger/cancel.js';
import type { Destruction, Outcome } from '../destruction.js';
import type { AttemptEnd } from '../ledger/record.js';
import type { Verdict } from '../tencent/verdicts.js';
import {
  afterFailure,
  type AttemptsEnd,
  type Judged,
  judgeAnswer,
  neverLeft,
  stopCauseOf,
  toBackMs,
} from './answered.js';
import { askBefore } from './ask-before.js';
import type { JobInHand, WorkerContext } from './context.js';
import { decide } from './decide.js';
import { endUnsent, sawEnd } from './end.js';
import { sendAttempt, type SentAttempt, type UnsentAttempt } from './send.js';
import type { RunEnd } from './settle.js';
import { traceRequest } from './traces.js';

/**
 * A room is looked at just before it is destroyed. A look that is older than this when the slot comes,
 * in milliseconds, is made again: an outage may have come in between. Where slots are further apart,
 * or many wait for a line that is braked, the next look counts twice as long, or none would be in time.
 */
const shortestLookMs = 5_000;

/**
 * Sends attempts until one ends the destruction, or fails. Answers that are about the line and
 * not about the room (over quota, a stale signature, an outage) are dealt with here and spend
 * nothing.
 *
 * @throws Halted where this worker takes nothing any more.
 */
export async function attemptDestruction(
  destruction: Destruction,
  job: JobInHand,
  context: WorkerContext,
): Promise<AttemptsEnd> {
  const { guard, outage, signer } = context;
  const line = { outage, foundRunning: (probe: boolean) => guard.foundRunning(probe) };
  let failedProbes = 0;
  let givenUpSlotMs: number | undefined;
  let lookGoodForMs = shortestLookMs;
  for (let staleBefore = false; ;) {
    const asked = await askBefore(destruction, job, context);
    if (asked.kind !== 'go_on') return asked;
    const inTurn = { ...job, lane: job.lane + probeOrder(failedProbes), givenUpSlotMs };
    const { lookedAtMs: atMs } = asked;
    const look = atMs === undefined ? undefined : { atMs, goodForMs: lookGoodForMs };
    const sent = await sendAttempt(destruction, inTurn, context, look);
    if (sent.kind === 'look_again') {
      givenUpSlotMs = sent.slotAtMs;
      lookGoodForMs *= 2;
      continue;
    }
    givenUpSlotMs = undefined;
    lookGoodForMs = shortestLookMs;
    if (sent.kind !== 'sent') return endOfUnsent(sent, destruction, context);

    const judged = judgeAnswer(sent);
    const { verdict, reason, details } = judged;
    context.metrics.attempted(
      verdict.word,
      neverLeft(sent) ? undefined : sent.endedAtMs - sent.sentAtMs,
    );
    traceRequest(sent, verdict);
    if (verdict.word !== 'transient') outage.worked(sent);
    // What an earlier attempt may have done must not be forgotten.
    const unsavedBefore = context.unsaved.has(destruction.id);
    const decision = decide(verdict, sent.mayHaveActedBefore || unsavedBefore);
    const saved = await context.unsaved.save(
      {
        destructionId: destruction.id,
        destruction,
        attempt: attemptEnd(sent, verdict, unsavedBefore),
        end:
          decision.kind === 'end'
            ? { outcome: decision.outcome, ...details, statistics: verdict.statistics }
            : undefined,
      },
      job.job,
    );
    if (saved.kind === 'unsaved') return saved;
    logAttempt(destruction, judged, context);
    if (verdict.word !== 'transient' && sent.probe === 'outage') await outage.probeWorked();
    if (decision.kind !== 'end') context.onTrouble(reason);

    switch (decision.kind) {
      case 'end':
        await sawEnd(decision.outcome, judged, context);
        return endedWith(saved.outcome ?? decision.outcome, reason, verdict);
      case 'retry': {
        if (sent.probe === 'outage') failedProbes += 1;
        const end = await afterFailure(judged, line, destruction, job, context);
        if (end !== undefined) return end;
        continue;
      }
      case 'brake':
        await guard.brake(reason);
        await guard.foundRunning(sent.probe === 'stop');
        continue;
      case 'renew_signature':
        // Others succeed with this very signature: it is about this room.
        if (staleBefore && sent.sig.proven) return { kind: 'failed', reason, details };
        if (staleBefore || !signer.renew(sent.sig)) return stopLine(judged, context);
        staleBefore = true;
        continue;
      case 'stop_line':
        return stopLine(judged, context);
      default:
        return decision satisfies never;
    }
  }
}

function endedWith(outcome: Outcome, reason: string, verdict: Verdict): RunEnd {
  const { statistics } = verdict;
  return outcome === 'destroyed' && statistics !== undefined
    ? { kind: 'ended', outcome, reason, statistics }
    : { kind: 'ended', outcome, reason };
}

/** Why no attempt was sent, and what follows from it. */
async function endOfUnsent(
  unsent: Exclude<UnsentAttempt, { kind: 'look_again' }>,
  destruction: Destruction,
  context: WorkerContext,
): Promise<RunEnd> {
  switch (unsent.kind) {
    case 'finished': {
      const { outcome } = unsent;
      return { kind: 'ended', outcome, reason: 'the ledger knows it as finished', known: true };
    }
    case 'cancelled': {
      const { outcome, reason } = cancelledEnd(unsent.sentBefore);
      return endUnsent(destruction, outcome, reason, context);
    }
    case 'foreign':
      return {
        kind: 'forged',
        reason: 'the id of the job is of the destruction of another room; another program wrote it',
      };
    case 'expired':
      return endUnsent(destruction, 'expired', 'its deadline passed', context);
    case 'stopped':
      context.guard.foundStopped(unsent.line);
      return { kind: 'given_back', reason: `the line is stopped: ${unsent.line.reason}` };
    default:
      return unsent satisfies never;
  }
}

function stopLine(judged: Judged<SentAttempt>, { guard }: WorkerContext): RunEnd {
  const { sent, verdict } = judged;
  guard.stop(stopCauseOf(judged));
  const reason = `the line is stopped: ${verdict.reason}`;
  // The next probe should be another room: it may be about this one.
  return sent.probe === 'stop'
    ? { kind: 'put_off', reason, delayMs: toBackMs }
    : { kind: 'given_back', reason };
}

/**
 * Who tries first in an outage: within one lane the room that has just tried, so that one
 * which fails a few times and then works ends the outage soon. After every four tries it goes
 * behind all others, of whatever lane, because it may fail for good.
 */
export function probeOrder(failedProbes: number): number {
  const rounds = Math.floor(failedProbes / 4);
  return behindAllLanes * rounds - (failedProbes % 4 === 0 ? 0 : 0.5);
}

/** More than any priority of BullMQ. */
const behindAllLanes = 2 ** 22;

function attemptEnd(sent: SentAttempt, verdict: Verdict, unsavedBefore: boolean): AttemptEnd {
  const { answer } = sent;
  return {
    attempt: sent.attempt,
    sentAtMs: neverLeft(sent) ? undefined : sent.sentAtMs,
    endedAtMs: sent.endedAtMs,
    httpStatus: 'httpStatus' in answer ? answer.httpStatus : undefined,
    errorCode: answer.kind === 'reply' ? answer.errorCode : undefined,
    verdict: verdict.word,
    reason: verdict.reason,
    mayHaveActed: verdict.mayHaveActed || unsavedBefore,
    requestId: answer.kind === 'reply' ? answer.requestId : undefined,
    rawAnswer: answer.raw,
  };
}

function logAttempt(
  destruction: Destruction,
  { sent, verdict, details }: Judged<SentAttempt>,
  { log }: WorkerContext,
): void {
  const level = verdict.word === 'destroyed' || verdict.word === 'gone' ? 'debug' : 'info';
  if (!log.isLevelEnabled(level)) return;
  log[level](
    {
      destructionId: destruction.id,
      roomId: destruction.roomId,
      attempt: sent.attempt,
      verdict: verdict.word,
      reason: verdict.reason,
      errorCode: details.errorCode,
      requestId: details.requestId,
      tookMs: Math.round(sent.endedAtMs - sent.sentAtMs),
    },
    'attempt ended',
  );
}
