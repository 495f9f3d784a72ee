/** A batch and what it came to, in words: `destroy` at its end, `report`, `status`, `batches`. */
import { type Outcome, type OutcomeCounts, outcomes } from '../destruction.js';
import type { BatchProgress } from '../operations/find-batch.js';
import type { LastRooms } from '../operations/last-rooms.js';
import {
  explainProblem,
  type BatchSummary,
  type Problem,
  type TopRoom,
} from '../operations/report.js';
import { table } from '../layout.js';
import { printable } from '../redact.js';
import {
  count,
  dayAndTime,
  describePrecautions,
  describeRequest,
  rooms,
  sourceList,
} from '../text.js';

/** Which batch, who asked for it, and what it is a replay of. */
export function batchHead(batch: BatchProgress): string[] {
  return [
    `batch ${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`,
    `  ${describeRequest(batch)}`,
    ...describePrecautions(batch.precautions).map((each) => `  ${each}`),
    ...(batch.origin === undefined ? [] : [`  replay of ${printable(batch.origin)}`]),
  ];
}

/** When it was cancelled and when it finished, where it was. */
export function batchEnds({ cancelledAtMs, cancelledBy, finishedAtMs }: BatchProgress): string[] {
  const by = cancelledBy === undefined ? '' : ` by ${printable(cancelledBy)}`;
  return [
    ...(cancelledAtMs === undefined ? [] : [`cancelled ${dayAndTime(cancelledAtMs)}${by}`]),
    ...(finishedAtMs === undefined ? [] : [`finished ${dayAndTime(finishedAtMs)}`]),
  ];
}

export const outcomeWords: Readonly<Record<Outcome, string>> = {
  destroyed: 'destroyed, statistics saved',
  destroyed_statistics_lost: 'destroyed, statistics lost',
  already_gone: 'already gone',
  recreated: 'created again, not destroyed',
  rejected: 'rejected',
  failed: 'failed',
  expired: 'expired',
  cancelled: 'cancelled',
};

/** The last rooms of a batch: which, and why each is not done. */
export function describeLastRooms(last: LastRooms): string[] {
  const described = last.rooms.map(({ roomId, summary, lastAnswer }) => {
    const answer = lastAnswer === undefined ? '' : `; last answer: ${lastAnswer}`;
    return `${printable(roomId)}: ${summary}${answer}`;
  });
  if (last.unnamed > 0)
    described.push(`${rooms(last.unnamed)}: further back on the queue, or not on it`);
  return described;
}

/** Outcomes that there are, and `others` that there are; no lines where there are none. */
export function describeOutcomes(
  counts: OutcomeCounts,
  others: readonly (readonly [label: string, value: number])[] = [],
): string[] {
  const shown = [
    ...outcomes.map((outcome) => [outcomeWords[outcome], counts[outcome]] as const),
    ...others,
  ].filter(([, value]) => value > 0);
  return shown.length === 0
    ? []
    : ['', table(shown.map(([label, value]) => [label, count(value)] as const))];
}

/** No lines where no room has any: five zeros would look like a result. */
export function describeStatistics({ statistics, statisticsFrom }: BatchSummary): string[] {
  const { response, webhook, snapshot } = statisticsFrom;
  if (response + webhook + snapshot === 0) return [];
  const sources = sourceList(statisticsFrom).replace('statistics ', ': ');
  return [
    '',
    `Statistics of the rooms destroyed${sources}`,
    table([
      ['viewers', count(statistics.totalViewers)],
      ['gifts sent', count(statistics.totalGiftsSent)],
      ['gift coins', count(statistics.totalGiftCoins)],
      ['gift senders', count(statistics.totalUniqueGiftSenders)],
      ['likes', count(statistics.totalLikesReceived)],
    ]),
  ];
}

export function describeTop(title: string, top: readonly TopRoom[]): string[] {
  if (top.length === 0) return [];
  return ['', title, table(top.map(({ roomId, value }) => [printable(roomId), count(value)]))];
}

export function describeProblems(problems: readonly Problem[]): string[] {
  if (problems.length === 0) return [];
  const lines = ['', 'Not gone'];
  for (const problem of problems) {
    const code = problem.errorCode === undefined ? '' : ` ${problem.errorCode}`;
    const info = problem.errorInfo === undefined ? '' : `: ${printable(problem.errorInfo)}`;
    lines.push(
      `  ${problem.outcome}${code}${info} (${rooms(problem.rooms)}, such as ${printable(problem.example)})`,
    );
    const { meaning, remedy } = explainProblem(problem);
    const said = [meaning, remedy].filter((each) => each !== undefined);
    if (said.length > 0) lines.push(`    ${said.join('; ')}`);
  }
  return lines;
}
