/** What a replay says before it does it. */
import { columnsOf, padded } from '../layout.js';
import { replayGuard, type ReplayFate, type ReplayPlan } from '../operations/replay.js';
import { printable } from '../redact.js';
import { clockTime, count, duration, rooms } from '../text.js';

const fateWords: Readonly<Record<ReplayFate, string>> = {
  replay: 'replayed',
  gone: 'left out: gone by now',
  pending: 'left out: another destruction of the room is under way',
  protected: 'left out: protected',
  refused: 'left out: the API refused the room for good and would again; --force asks all the same',
  recreated: 'left out: created again since, so it is another room; ask for it anew',
  cancelled: 'left out: taken back on purpose; --outcome cancelled asks again',
};

export function planToText({ groups, forecast }: ReplayPlan): string {
  const { rooms: total, seconds, aheadSeconds, doneAtMs, outlook } = forecast;
  if (groups.length === 0) return 'no room that was chosen is in the ledger and not gone';
  const cells = groups.map(
    (group) => [count(group.rooms), describeGroup(group), fateWords[group.fate]] as const,
  );
  const [numbers, names] = [0, 1].map((column) =>
    Math.max(...cells.map((row) => columnsOf(row[column] ?? ''))),
  ) as [number, number];
  const lines = cells.map(
    ([number, name, fate]) => `  ${number.padStart(numbers)}  ${padded(name, names)}  ${fate}`,
  );
  if (total > 0) {
    const { waitingAhead: ahead = 0, held } = outlook;
    const before =
      ahead > 0 ? `, after ${rooms(ahead)} that wait before (${duration(aheadSeconds)})` : '';
    const once = held === undefined ? '' : `, once the line runs: it is ${held}`;
    lines.push(
      `${rooms(total)}: ${duration(seconds - aheadSeconds)}${before}; done ${clockTime(doneAtMs)} if nothing else comes${once}`,
      replayGuard,
    );
  }
  return lines.join('\n');
}

/** `failed 100001: internal error`, `expired: its deadline passed`. */
function describeGroup(group: ReplayPlan['groups'][number]): string {
  const { outcome, errorCode, errorInfo, meaning } = group;
  if (errorCode !== undefined) return `${outcome} ${errorCode}: ${meaning ?? ''}`;
  return errorInfo === undefined ? outcome : `${outcome}: ${printable(errorInfo, 60)}`;
}
