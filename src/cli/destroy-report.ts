/** What `destroy` prints at its end. */
import { stringify } from 'lossless-json';
import type { BatchProgress } from '../ledger/batches.js';
import { outcomes, type OutcomeCounts } from '../destruction.js';
import type { BatchSummary } from '../ledger/report.js';
import type { RoomListSummary } from '../room-list/two-passes.js';
import { printable } from '../redact.js';
import { describeOutcomes, describeProblems, describeStatistics } from './summary-text.js';
import { count, duration, rooms } from '../text.js';

export interface DestroyResult {
  progress: BatchProgress;
  summary: BatchSummary;
  list: RoomListSummary;
  /** Entries of the list that were left out because they are protected. */
  protected: number;
  /** Wall time of this run. */
  seconds: number;
}

/** The shape is a contract with scripts. Statistics are exact, also beyond 2⁵³. */
export function toJson({ progress, summary, list, seconds, ...more }: DestroyResult): string {
  return (
    stringify({
      batchId: progress.id,
      requested: list.valid + list.invalid,
      unique: list.unique,
      duplicates: list.duplicates,
      invalid: list.invalid,
      ...(more.protected > 0 ? { protected: more.protected } : {}),
      outcomes: Object.fromEntries(
        outcomes.map((outcome) => [outcome, summary.outcomes[outcome]]),
      ) as OutcomeCounts,
      attempts: summary.attempts,
      seconds: Math.round(seconds * 10) / 10,
      worstWindow: summary.worstWindow,
      statistics: summary.statistics,
    }) ?? ''
  );
}

export function toText({ progress, summary, list, seconds, ...more }: DestroyResult): string {
  const finished = outcomes.reduce((sum, outcome) => sum + summary.outcomes[outcome], 0);
  return [
    `${rooms(finished)} in ${duration(seconds)}: ${count(summary.attempts)} ${summary.attempts === 1 ? 'request' : 'requests'}, at most ${summary.worstWindow} in any second`,
    ...(list.duplicates > 0
      ? [`${count(list.duplicates)} duplicate lines were asked for once`]
      : []),
    ...(list.invalid > 0 ? [`${count(list.invalid)} bad lines were left out`] : []),
    ...(more.protected > 0 ? [`${count(more.protected)} protected rooms were left out`] : []),
    ...describeOutcomes(summary.outcomes),
    ...describeStatistics(summary.statistics),
    ...describeProblems(summary.problems),
    '',
    `batch ${progress.id}${progress.name === undefined ? '' : ` (${printable(progress.name)})`}`,
  ].join('\n');
}
