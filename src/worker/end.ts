/** A destruction comes to its end: what is recorded, and what the line learns from it. */
import type { Destruction, Outcome } from '../destruction.js';
import type { Details, Judged } from './answered.js';
import type { WorkerContext } from './context.js';
import { manyRejected, manyRejectedRemedy } from './rejections.js';
import type { RunEnd } from './settle.js';

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

/** The API answered about a room: the line runs, unless it refuses room after room. */
export async function sawEnd(
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
