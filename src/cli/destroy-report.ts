/** What `destroy` prints at its end. */
import { finishedCount, type DestroyResult } from '../operations/destroy.js';
import { printable } from '../redact.js';
import { count, duration, rooms } from '../text.js';
import { describeOutcomes, describeProblems, describeStatistics } from './summary-text.js';

export function toText({ progress, summary, seconds, rooms: list }: DestroyResult): string {
  return [
    `${rooms(finishedCount(summary.outcomes))} in ${duration(seconds)}: ${count(summary.attempts)} ${summary.attempts === 1 ? 'request' : 'requests'}, at most ${summary.worstWindow} in any second`,
    ...(list.duplicates > 0
      ? [`${count(list.duplicates)} duplicate lines were asked for once`]
      : []),
    ...(list.invalid > 0 ? [`${count(list.invalid)} bad lines were left out`] : []),
    ...(list.protected > 0 ? [`${count(list.protected)} protected rooms were left out`] : []),
    ...describeOutcomes(summary.outcomes),
    ...describeStatistics(summary.statistics),
    ...describeProblems(summary.problems),
    '',
    `batch ${progress.id}${progress.name === undefined ? '' : ` (${printable(progress.name)})`}`,
  ].join('\n');
}
