/** What `destroy` prints at its end. */
import { finishedCount, type DestroyResult, type Warning } from '../operations/destroy.js';
import { printable } from '../redact.js';
import { count, duration, numbered, rooms } from '../text.js';
import { describeOutcomes, describeProblems, describeStatistics } from './summary-text.js';

export function toText(result: DestroyResult): string {
  const { progress, summary, seconds, rooms: list } = result;
  return [
    ...result.warnings.flatMap((warning) => [describeWarning(warning, summary.rooms), '']),
    `${rooms(finishedCount(summary.outcomes))} in ${duration(seconds)}: ${numbered(summary.attempts, 'request')}, at most ${summary.worstWindow} in any second`,
    ...(list.duplicates > 0
      ? [`${count(list.duplicates)} duplicate lines were asked for once`]
      : []),
    ...(list.invalid > 0 ? [`${count(list.invalid)} bad lines were left out`] : []),
    ...(list.protected > 0 ? [`${count(list.protected)} protected rooms were left out`] : []),
    ...describeOutcomes(summary.outcomes),
    ...describeStatistics(summary),
    ...describeProblems(summary.problems),
    '',
    `batch ${progress.id}${progress.name === undefined ? '' : ` (${printable(progress.name)})`}`,
  ].join('\n');
}

/** @param total - rooms of the batch. */
export function describeWarning({ examples }: Warning, total: number): string {
  const named = examples.map((room) => JSON.stringify(printable(room))).join(', ');
  return `none of these ${rooms(total)} exists: is it the right list, and the right app? (such as ${named})`;
}
