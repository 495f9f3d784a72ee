/** What was answered, and what follows from it whichever command was asked. */
import type { Destruction } from '../destruction.js';
import type { StopCause } from '../ledger/line.js';
import type { DestructionEnd } from '../ledger/record.js';
import { judge, type Verdict } from '../tencent/verdicts.js';
import { quickRetryDelayMs } from './backoff.js';
import type { JobInHand, WorkerContext } from './context.js';
import type { OutageWatch } from './outage-watch.js';
import type { SentRequest } from './send.js';
import type { RunEnd } from './settle.js';

/** What an answer said. */
export type Details = Omit<DestructionEnd, 'outcome' | 'statistics'>;

/** A request, and what was made of its answer. */
export interface Judged<S extends SentRequest = SentRequest> {
  sent: S;
  verdict: Verdict;
  /** The verdict in words, with the API's code. */
  reason: string;
  details: Details;
}

export type AttemptsEnd =
  | RunEnd
  /** The last one failed in a way that may pass. */
  | { kind: 'failed'; reason: string; details: Details };

/** A job that is delayed goes behind the others of its lane, also for so short a time, in milliseconds. */
export const toBackMs = 5_000;

export function judgeAnswer<S extends SentRequest>(sent: S): Judged<S> {
  const verdict = judge(sent.answer);
  const details = describe(sent);
  const { errorCode } = details;
  const reason = errorCode === undefined ? verdict.reason : `${verdict.reason} (${errorCode})`;
  return { sent, verdict, reason, details };
}

function describe({ answer }: SentRequest): Details {
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

/** Why a line is stopped by this answer. */
export function stopCauseOf(judged: Judged): StopCause {
  const { reason, remedy, ofCommand } = judged.verdict;
  return { code: codeOf(judged), reason, remedy, holdsAll: ofCommand === undefined };
}

/** Whether nothing of the request was written to a connection. */
export function neverLeft({ answer }: SentRequest): boolean {
  return answer.kind === 'network' && !answer.written;
}

/**
 * A request failed in a way that may pass.
 *
 * @param line - that it was sent on.
 * @returns undefined where it is tried again at once, because it was not the room's fault.
 * @throws Halted where this worker takes nothing any more.
 */
export async function afterFailure(
  judged: Judged,
  line: { outage: OutageWatch; foundRunning(probe: boolean): Promise<void> },
  { id: destructionId }: Destruction,
  job: JobInHand,
  { guard, random }: WorkerContext,
): Promise<AttemptsEnd | undefined> {
  const { sent, verdict, reason, details } = judged;
  const { answer, sentAtMs } = sent;
  const unsent = neverLeft(sent);
  const failure = { destructionId, fresh: job.fresh, unsent, sentAtMs };
  const cause = { code: codeOf(judged), reason: verdict.reason };
  // Others were answered meanwhile, so the trouble is its own, in the rest of this run too.
  if (!line.outage.failed(failure, cause)) job.fresh = false;
  if (sent.probe === 'stop') {
    if (answer.kind !== 'reply') {
      const noAnswer = 'the probe of the stopped line got no answer';
      return { kind: 'put_off', reason: noAnswer, delayMs: toBackMs };
    }
    await line.foundRunning(true);
  }
  if (!unsent && !line.outage.suspected) return { kind: 'failed', reason, details };
  // As far as can be known: it spends nothing.
  await guard.wait(quickRetryDelayMs(1, random()));
  return undefined;
}
