/** What a replay says before it does it. */
import type { ReplayFate, ReplayGroup } from '../ledger/replay.js';
import { printable } from '../redact.js';
import { judge } from '../tencent/verdicts.js';
import type { Forecast } from '../operations/forecast.js';
import { clockTime, count, duration, rooms } from '../text.js';

export interface ReplayOutlook {
  /** The choice in words. */
  origin: string;
  plan: readonly ReplayGroup[];
  /** Of the rooms that are replayed. */
  forecast: Forecast;
}

const fateWords: Readonly<Record<ReplayFate, string>> = {
  replay: 'replayed',
  gone: 'left out: gone by now',
  pending: 'left out: another destruction of the room is under way',
  protected: 'left out: protected',
  refused: 'left out: the API refused the room for good and would again; --force asks all the same',
  cancelled: 'left out: taken back on purpose; --outcome cancelled asks again',
};

/** What the API means by a code. */
function meaningOf(errorCode: number): string {
  return judge({
    kind: 'reply',
    httpStatus: 200,
    errorCode,
    errorInfo: '',
    requestId: undefined,
    statistics: undefined,
  }).reason;
}

export function planToJson({ origin, plan, forecast }: ReplayOutlook): Record<string, unknown> {
  return {
    origin,
    rooms: forecast.rooms,
    seconds: Math.round((forecast.seconds - forecast.aheadSeconds) * 10) / 10,
    waitingBefore: forecast.outlook.waitingAhead ?? 0,
    plan: plan.map(({ fate, outcome, errorCode, rooms: number, example }) => ({
      fate,
      outcome,
      errorCode: errorCode ?? null,
      meaning: errorCode === undefined ? null : meaningOf(errorCode),
      rooms: number,
      example,
    })),
  };
}

export function planToText({ plan, forecast }: ReplayOutlook): string {
  const { rooms: total, seconds, aheadSeconds, doneAtMs } = forecast;
  const { waitingAhead: ahead = 0, held: why } = forecast.outlook;
  if (plan.length === 0) return 'no room that was chosen is in the ledger and not gone';
  const cells = plan.map(
    (group) => [count(group.rooms), describeGroup(group), fateWords[group.fate]] as const,
  );
  const [numbers, groups] = [0, 1].map((column) =>
    Math.max(...cells.map((row) => (row[column] ?? '').length)),
  ) as [number, number];
  const lines = cells.map(
    ([number, group, fate]) => `  ${number.padStart(numbers)}  ${group.padEnd(groups)}  ${fate}`,
  );
  if (total > 0) {
    const before =
      ahead > 0 ? `, after ${rooms(ahead)} that wait before (${duration(aheadSeconds)})` : '';
    const held = why === undefined ? '' : `, once the line runs: it is ${why}`;
    lines.push(
      `${rooms(total)}: ${duration(seconds - aheadSeconds)}${before}; done ${clockTime(doneAtMs)} if nothing else comes${held}`,
    );
  }
  return lines.join('\n');
}

/** `failed 100001: internal error`, `expired: its deadline passed`. */
function describeGroup({ outcome, errorCode, errorInfo }: ReplayGroup): string {
  if (errorCode !== undefined) return `${outcome} ${errorCode}: ${meaningOf(errorCode)}`;
  return errorInfo === undefined ? outcome : `${outcome}: ${printable(errorInfo, 60)}`;
}
