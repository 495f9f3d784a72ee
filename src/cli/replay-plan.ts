/** What a replay says before it does it. */
import type { ReplayFate, ReplayGroup } from '../ledger/replay.js';
import { printable } from '../redact.js';
import { judge } from '../tencent/verdicts.js';
import type { Outlook } from './look-ahead.js';
import { clockTime, count, duration, rooms } from '../text.js';

export interface ReplayOutlook {
  /** The choice in words. */
  origin: string;
  plan: readonly ReplayGroup[];
  /** Rooms that are replayed. */
  total: number;
  /** Rooms that go before them, and how long those take. */
  ahead: number;
  aheadSeconds: number;
  /** How long the replay takes once it is its turn. */
  seconds: number;
  /** Why nothing moves at the moment. */
  held: Outlook['held'];
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

export function planToJson(outlook: ReplayOutlook): Record<string, unknown> {
  return {
    origin: outlook.origin,
    rooms: outlook.total,
    seconds: Math.round(outlook.seconds * 10) / 10,
    waitingBefore: outlook.ahead,
    plan: outlook.plan.map(({ fate, outcome, errorCode, rooms: number, example }) => ({
      fate,
      outcome,
      errorCode: errorCode ?? null,
      meaning: errorCode === undefined ? null : meaningOf(errorCode),
      rooms: number,
      example,
    })),
  };
}

export function planToText(outlook: ReplayOutlook, now: number): string {
  const { plan, total, seconds, ahead, aheadSeconds } = outlook;
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
    const done = clockTime(now + (seconds + aheadSeconds) * 1000);
    const held = outlook.held === undefined ? '' : `, once the line runs: it is ${outlook.held}`;
    lines.push(
      `${rooms(total)}: ${duration(seconds)}${before}; done ${done} if nothing else comes${held}`,
    );
  }
  return lines.join('\n');
}

/** `failed 100001: internal error`, `expired: its deadline passed`. */
function describeGroup({ outcome, errorCode, errorInfo }: ReplayGroup): string {
  if (errorCode !== undefined) return `${outcome} ${errorCode}: ${meaningOf(errorCode)}`;
  return errorInfo === undefined ? outcome : `${outcome}: ${printable(errorInfo, 60)}`;
}
