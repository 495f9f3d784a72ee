/** What `destroy` prints at its end. */
import { stringify } from 'lossless-json';
import type { BatchProgress } from '../ledger/batches.js';
import { outcomes, type OutcomeCounts } from '../ledger/outcome.js';
import type { BatchSummary } from '../ledger/report.js';
import type { RoomListSummary } from '../producer/room-list/index.js';
import { printable } from '../redact.js';
import { count, duration, rooms, table } from './text.js';

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
        outcomes.map((outcome) => [outcome, progress[outcome]]),
      ) as OutcomeCounts,
      attempts: summary.attempts,
      seconds: Math.round(seconds * 10) / 10,
      worstWindow: summary.worstWindow,
      statistics: summary.statistics,
    }) ?? ''
  );
}

const outcomeWords: Readonly<Record<keyof OutcomeCounts, string>> = {
  destroyed: 'destroyed, statistics saved',
  destroyed_statistics_lost: 'destroyed, statistics lost',
  already_gone: 'already gone',
  rejected: 'rejected',
  failed: 'failed',
  expired: 'expired',
  cancelled: 'cancelled',
};

export function toText({ progress, summary, list, seconds, ...more }: DestroyResult): string {
  const finished = outcomes.reduce((sum, outcome) => sum + progress[outcome], 0);
  const shown = outcomes.filter((outcome) => progress[outcome] > 0);
  const lines = [
    `${rooms(finished)} in ${duration(seconds)}: ${count(summary.attempts)} ${summary.attempts === 1 ? 'request' : 'requests'}, at most ${summary.worstWindow} in any second`,
    ...(list.duplicates > 0
      ? [`${count(list.duplicates)} duplicate lines were asked for once`]
      : []),
    ...(list.invalid > 0 ? [`${count(list.invalid)} bad lines were left out`] : []),
    ...(more.protected > 0 ? [`${count(more.protected)} protected rooms were left out`] : []),
    ...(shown.length > 0
      ? ['', table(shown.map((outcome) => [outcomeWords[outcome], count(progress[outcome])]))]
      : []),
    '',
    'Statistics of the rooms destroyed',
    table([
      ['viewers', count(summary.statistics.totalViewers)],
      ['gifts sent', count(summary.statistics.totalGiftsSent)],
      ['gift coins', count(summary.statistics.totalGiftCoins)],
      ['gift senders', count(summary.statistics.totalUniqueGiftSenders)],
      ['likes', count(summary.statistics.totalLikesReceived)],
    ]),
  ];
  if (summary.problems.length > 0) {
    lines.push('', 'Not gone');
    for (const problem of summary.problems) {
      const code = problem.errorCode === undefined ? '' : ` ${problem.errorCode}`;
      const info = problem.errorInfo === undefined ? '' : `: ${printable(problem.errorInfo)}`;
      lines.push(
        `  ${problem.outcome}${code}${info} (${rooms(problem.rooms)}, such as ${printable(problem.example)})`,
      );
    }
  }
  lines.push(
    '',
    `batch ${progress.id}${progress.name === undefined ? '' : ` (${printable(progress.name)})`}`,
  );
  return lines.join('\n');
}
