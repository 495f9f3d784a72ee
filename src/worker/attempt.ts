/** Attempts of one destruction until one decides something. */
import { cancelledEnd } from '../ledger/cancel.js';
import type { Destruction, Outcome } from '../destruction.js';
import type { AttemptEnd, DestructionEnd } from '../ledger/record.js';
import { judge, type Verdict } from '../tencent/verdicts.js';
import { quickRetryDelayMs } from './backoff.js';
import type { JobInHand, WorkerContext } from './context.js';
import { decide } from './decide.js';
import { manyRejected, manyRejectedRemedy } from './rejections.js';
import { sendAttempt, type SentAttempt, type UnsentAttempt } from './send.js';
import type { RunEnd } from './settle.js';
import { traceRequest } from './traces.js';

export type AttemptsEnd =
  | RunEnd
  /** The last one failed in a way that may pass. */
  | { kind: 'failed'; reason: string; details: Details };

/** A job that is delayed goes behind the others of its lane, also for so short a time, in milliseconds. */
const toBackMs = 5_000;

/** An attempt, and what was made of its answer. */
interface Judged {
  sent: SentAttempt;
  verdict: Verdict;
  /** The verdict in words, with the API's code. */
  reason: string;
  details: Details;
}

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
  let failedProbes = 0;
  for (let staleBefore = false; ;) {
    const inTurn = { ...job, lane: job.lane + probeOrder(failedProbes) };
    const sent = await sendAttempt(destruction, inTurn, context);
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
        const end = await afterFailure(judged, destruction, job, context);
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
  unsent: UnsentAttempt,
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

async function sawEnd(
  outcome: Outcome,
  { sent, details }: Judged,
  { guard, rejections, signer }: WorkerContext,
): Promise<void> {
  signer.accepted(sent.sig);
  if (rejections.saw(outcome === 'rejected')) {
    guard.stop(
      { code: details.errorCode, reason: manyRejected, remedy: manyRejectedRemedy },
      'certain',
    );
  } else {
    await guard.foundRunning(sent.probe === 'stop');
  }
}

/** @returns undefined where it is tried again at once, because it was not the room's fault. */
async function afterFailure(
  judged: Judged,
  { id: destructionId }: Destruction,
  job: JobInHand,
  { guard, outage, random }: WorkerContext,
): Promise<AttemptsEnd | undefined> {
  const { sent, verdict, reason, details } = judged;
  const { answer, sentAtMs } = sent;
  const unsent = neverLeft(sent);
  const failure = { destructionId, fresh: job.fresh, unsent, sentAtMs };
  // Others were answered meanwhile, so the trouble is its own, in the rest of this run too.
  if (!outage.failed(failure, { code: codeOf(judged), reason: verdict.reason })) job.fresh = false;
  if (sent.probe === 'stop') {
    if (answer.kind !== 'reply') {
      const noAnswer = 'the probe of the stopped line got no answer';
      return { kind: 'put_off', reason: noAnswer, delayMs: toBackMs };
    }
    await guard.foundRunning(true);
  }
  if (!unsent && !outage.suspected) return { kind: 'failed', reason, details };
  // As far as can be known: it spends nothing.
  await guard.wait(quickRetryDelayMs(1, random()));
  return undefined;
}

function stopLine(judged: Judged, { guard }: WorkerContext): RunEnd {
  const { sent, verdict } = judged;
  guard.stop({ code: codeOf(judged), reason: verdict.reason, remedy: verdict.remedy });
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

/** Records an end that no attempt brought about. */
export async function endUnsent(
  destruction: Destruction,
  outcome: Outcome,
  reason: string,
  context: WorkerContext,
  details?: Details,
): Promise<RunEnd> {
  const standing = await context.writer.record({
    destructionId: destruction.id,
    destruction,
    attempt: undefined,
    end: {
      outcome,
      errorCode: details?.errorCode,
      errorInfo: details?.errorInfo ?? reason,
      requestId: details?.requestId,
      statistics: undefined,
    },
  });
  return { kind: 'ended', outcome: standing ?? outcome, reason };
}

/** What an answer said. */
type Details = Omit<DestructionEnd, 'outcome' | 'statistics'>;

function judgeAnswer(sent: SentAttempt): Judged {
  const verdict = judge(sent.answer);
  const details = describe(sent);
  const { errorCode } = details;
  const reason = errorCode === undefined ? verdict.reason : `${verdict.reason} (${errorCode})`;
  return { sent, verdict, reason, details };
}

function describe({ answer }: SentAttempt): Details {
  if (answer.kind !== 'reply')
    return { errorCode: undefined, errorInfo: undefined, requestId: undefined };
  const { errorCode, errorInfo, requestId } = answer;
  return { errorCode, errorInfo: errorInfo === '' ? undefined : errorInfo, requestId };
}

/** The API's code, or the HTTP status where an answer had none. */
function codeOf({ sent, details }: Judged): number | undefined {
  if (details.errorCode !== undefined) return details.errorCode;
  return sent.answer.kind === 'unreadable' ? sent.answer.httpStatus : undefined;
}

/** Whether nothing of the request was written to a connection. */
function neverLeft({ answer }: SentAttempt): boolean {
  return answer.kind === 'network' && !answer.written;
}

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
  { sent, verdict, details }: Judged,
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
