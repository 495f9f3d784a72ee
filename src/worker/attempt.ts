/** Attempts of one destruction until one decides something. */
import { UnrecoverableError } from 'bullmq';
import { cancelledEnd } from '../ledger/cancel.js';
import type { Destruction, Outcome } from '../destruction.js';
import type { AttemptEnd, DestructionEnd, RecordItem } from '../ledger/record.js';
import { judge, type Verdict } from '../tencent/verdicts.js';
import { quickRetryDelayMs } from './backoff.js';
import type { JobInHand, WorkerContext } from './context.js';
import { decide } from './decide.js';
import { manyRejected, manyRejectedRemedy } from './rejections.js';
import { sendAttempt, type SentAttempt } from './send.js';
import { GiveBack, TransientFailure } from './signals.js';
import { abortableSleep } from './sleep.js';
import { UnsavedResult } from './unsaved-result.js';

export interface Ended {
  outcome: Outcome;
  reason: string;
  /** It had ended before this run: the ledger knew it. */
  known?: true;
}

/** A result that the ledger does not take is written into the job too, after so long, in milliseconds. */
const keepEveryMs = 500;

/**
 * Sends attempts until one ends the destruction. Answers that are about the line and not
 * about the room (over quota, a stale signature, an outage) are dealt with here and spend
 * nothing.
 *
 * @throws TransientFailure where an attempt failed in a way that may pass.
 * @throws GiveBack where the line is stopped.
 */
export async function attemptDestruction(
  destruction: Destruction,
  job: JobInHand,
  context: WorkerContext,
): Promise<Ended> {
  const { guard, outage, signer } = context;
  let failedProbes = 0;
  for (let staleBefore = false; ;) {
    const inTurn = { ...job, lane: job.lane + probeOrder(failedProbes) };
    const sent = await sendAttempt(destruction, inTurn, context);
    switch (sent.kind) {
      case 'finished':
        return { outcome: sent.outcome, reason: 'the ledger knows it as finished', known: true };
      case 'cancelled': {
        const { outcome, reason } = cancelledEnd(sent.sentBefore);
        return endUnsent(destruction, outcome, reason, context);
      }
      case 'foreign':
        throw new UnrecoverableError(
          'the id of the job is of the destruction of another room; another program wrote it',
        );
      case 'expired':
        return endUnsent(destruction, 'expired', 'its deadline passed', context);
      case 'stopped':
        guard.foundStopped(sent.line);
        throw new GiveBack(`the line is stopped: ${sent.line.reason}`);
      case 'sent':
        break;
      default:
        return sent satisfies never;
    }

    const verdict = judge(sent.answer);
    if (verdict.word !== 'transient') outage.worked(sent);
    // An earlier answer that could not be recorded: what it may have done must not be forgotten.
    const unrecordedBefore = context.unrecorded.has(destruction.id);
    const decision = decide(verdict, sent.mayHaveActedBefore || unrecordedBefore);
    const details = describe(sent);
    const outcome = await record(
      {
        destructionId: destruction.id,
        destruction,
        attempt: attemptEnd(sent, verdict, unrecordedBefore),
        end:
          decision.kind === 'end'
            ? { outcome: decision.outcome, ...details, statistics: verdict.statistics }
            : undefined,
      },
      job,
      context,
    );
    logAttempt(destruction, sent, verdict, context);
    if (verdict.word !== 'transient' && sent.probe === 'outage') await outage.probeWorked();

    if (decision.kind !== 'end') context.onTrouble(reasonOf(verdict, details));
    switch (decision.kind) {
      case 'end':
        signer.accepted(sent.sig);
        if (context.rejections.saw(decision.outcome === 'rejected')) {
          guard.stop({
            code: details.errorCode,
            reason: manyRejected,
            remedy: manyRejectedRemedy,
          });
        } else {
          await guard.foundRunning(sent.probe === 'stop');
        }
        return { outcome: outcome ?? decision.outcome, reason: reasonOf(verdict, details) };
      case 'retry': {
        const unsent = sent.answer.kind === 'network' && !sent.answer.written;
        if (sent.probe === 'outage') failedProbes += 1;
        const { sentAtMs } = sent;
        const failure = { destructionId: destruction.id, fresh: job.fresh, unsent, sentAtMs };
        const cause = { code: codeOf(sent, details), reason: verdict.reason };
        // Others were answered meanwhile, so the trouble is its own, in the rest of this run too.
        if (!outage.failed(failure, cause)) job.fresh = false;
        if (sent.probe === 'stop') {
          if (sent.answer.kind !== 'reply')
            throw new GiveBack('the probe of the stopped line got no answer', { toBack: true });
          await guard.foundRunning(true);
        }
        // Not the room's fault, as far as can be known: it spends nothing.
        if (unsent || outage.suspected) {
          await abortableSleep(quickRetryDelayMs(1, context.random()), guard.signal);
          continue;
        }
        throw new TransientFailure(reasonOf(verdict, details), details);
      }
      case 'brake':
        await context.brake(reasonOf(verdict, details));
        await guard.foundRunning(sent.probe === 'stop');
        continue;
      case 'renew_signature':
        if (staleBefore && sent.sig.proven) {
          // Others succeed with this very signature: it is about this room.
          throw new TransientFailure(reasonOf(verdict, details), details);
        }
        if (!staleBefore && signer.renew(sent.sig)) {
          staleBefore = true;
          continue;
        }
        break;
      case 'stop_line':
        break;
      default:
        return decision satisfies never;
    }
    guard.stop({
      code: codeOf(sent, details),
      reason: verdict.reason,
      remedy: verdict.remedy,
    });
    // The next probe should be another room: it may be about this one.
    throw new GiveBack(`the line is stopped: ${verdict.reason}`, {
      toBack: sent.probe === 'stop',
    });
  }
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

/** @throws UnsavedResult where the ledger did not take it before the worker had to stop. */
async function record(
  item: RecordItem,
  job: JobInHand,
  context: WorkerContext,
): Promise<Outcome | undefined> {
  context.unrecorded.add(item.destructionId);
  // Statistics come once: where the ledger is away, this worker may be killed before it is back.
  let kept: Promise<boolean> | undefined;
  const keeping = setInterval(() => {
    kept ??= job.keep(item).then((written) => {
      if (!written) kept = undefined;
      return written;
    });
  }, keepEveryMs);
  let outcome: Outcome | undefined;
  try {
    outcome = await context.writer.record(item);
  } catch (error) {
    throw new UnsavedResult(item, error);
  } finally {
    clearInterval(keeping);
  }
  context.unrecorded.delete(item.destructionId);
  if (await kept) await job.keep(undefined);
  return outcome;
}

/** Records an end that no attempt brought about. */
export async function endUnsent(
  destruction: Destruction,
  outcome: Outcome,
  reason: string,
  context: WorkerContext,
  details: Partial<Omit<DestructionEnd, 'outcome'>> = {},
): Promise<Ended> {
  const standing = await context.writer.record({
    destructionId: destruction.id,
    destruction,
    attempt: undefined,
    end: {
      outcome,
      errorCode: details.errorCode,
      errorInfo: details.errorInfo ?? reason,
      requestId: details.requestId,
      statistics: undefined,
    },
  });
  return { outcome: standing ?? outcome, reason };
}

interface Details {
  errorCode: number | undefined;
  errorInfo: string | undefined;
  requestId: string | undefined;
}

function describe(sent: SentAttempt): Details {
  if (sent.answer.kind !== 'reply')
    return { errorCode: undefined, errorInfo: undefined, requestId: undefined };
  const { errorCode, errorInfo, requestId } = sent.answer;
  return { errorCode, errorInfo: errorInfo === '' ? undefined : errorInfo, requestId };
}

/** The API's code, or the HTTP status where an answer had none. */
function codeOf(sent: SentAttempt, details: Details): number | undefined {
  if (details.errorCode !== undefined) return details.errorCode;
  return sent.answer.kind === 'unreadable' ? sent.answer.httpStatus : undefined;
}

function reasonOf(verdict: Verdict, details: Details): string {
  return details.errorCode === undefined
    ? verdict.reason
    : `${verdict.reason} (${details.errorCode})`;
}

function attemptEnd(sent: SentAttempt, verdict: Verdict, unrecordedBefore: boolean): AttemptEnd {
  const { answer } = sent;
  const unsent = answer.kind === 'network' && !answer.written;
  return {
    attempt: sent.attempt,
    sentAtMs: unsent ? undefined : sent.sentAtMs,
    endedAtMs: sent.endedAtMs,
    httpStatus: 'httpStatus' in answer ? answer.httpStatus : undefined,
    errorCode: answer.kind === 'reply' ? answer.errorCode : undefined,
    verdict: verdict.word,
    reason: verdict.reason,
    mayHaveActed: verdict.mayHaveActed || unrecordedBefore,
    requestId: answer.kind === 'reply' ? answer.requestId : undefined,
  };
}

function logAttempt(
  destruction: Destruction,
  sent: SentAttempt,
  verdict: Verdict,
  context: WorkerContext,
): void {
  const level = verdict.word === 'destroyed' || verdict.word === 'gone' ? 'debug' : 'info';
  if (!context.log.isLevelEnabled(level)) return;
  const { errorCode, requestId } = describe(sent);
  context.log[level](
    {
      destructionId: destruction.id,
      roomId: destruction.roomId,
      attempt: sent.attempt,
      verdict: verdict.word,
      reason: verdict.reason,
      errorCode,
      requestId,
      tookMs: Math.round(sent.endedAtMs - sent.sentAtMs),
    },
    'attempt ended',
  );
}
