/**
 * What follows from a verdict. Pure: tested row by row.
 */
import type { Outcome } from '../destruction.js';
import type { Verdict } from '../tencent/verdicts.js';

export type Decision =
  /** It ended. */
  | { kind: 'end'; outcome: Outcome }
  /** Try again; spends one of the retries. */
  | { kind: 'retry' }
  /** Slow the line down for everyone, then try again; spends nothing. */
  | { kind: 'brake' }
  /** Make a new signature, then try again; spends nothing. */
  | { kind: 'renew_signature' }
  /** Stop the line for everyone and give the job back unspent. */
  | { kind: 'stop_line' };

/**
 * @param mayHaveActedBefore - whether an earlier attempt for this destruction may have
 *   destroyed the room: then "gone" is our own doing, and its statistics are lost.
 */
export function decide(verdict: Verdict, mayHaveActedBefore: boolean): Decision {
  switch (verdict.word) {
    case 'destroyed':
      return {
        kind: 'end',
        outcome: verdict.statistics === undefined ? 'destroyed_statistics_lost' : 'destroyed',
      };
    case 'gone':
      return {
        kind: 'end',
        outcome: mayHaveActedBefore ? 'destroyed_statistics_lost' : 'already_gone',
      };
    case 'rejected':
      return { kind: 'end', outcome: 'rejected' };
    case 'transient':
      return { kind: 'retry' };
    case 'over_quota':
      return { kind: 'brake' };
    case 'stale_signature':
      return { kind: 'renew_signature' };
    case 'stop_line':
      return { kind: 'stop_line' };
    default:
      return verdict.word satisfies never;
  }
}
