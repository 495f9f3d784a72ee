/**
 * Counts the rooms of a batch as they are read. Pure; its memory does not grow with them.
 * What a report says in sum is counted from the very rows that it lists, so the two agree
 * also while the batch is being worked on.
 */
import {
  type Outcome,
  type OutcomeCounts,
  type SourceCounts,
  type Statistics,
  isGone,
  outcomes,
  statisticsSources,
} from '../destruction.js';
import type { LedgerRow, ReportRow } from './report-rows.js';

/** Why rooms are not gone. */
export interface Problem {
  outcome: Outcome;
  errorCode: number | undefined;
  errorInfo: string | undefined;
  rooms: number;
  /** The first of them by RoomId. */
  example: string;
}

export interface TopRoom {
  roomId: string;
  value: bigint;
}

export interface Tally {
  rooms: number;
  outcomes: OutcomeCounts;
  /** Taken up by a worker, without an outcome yet. */
  open: number;
  /** Never taken up. */
  waiting: number;
  /** Of all of them: under a destruction that was pending already. */
  joined: number;
  /** HTTP requests whose end is recorded. */
  attempts: number;
  /** All that are recorded, which is the sum over the rooms. */
  attemptsRecorded: number;
  /** Of those: ended without anything written to a connection. */
  attemptsNotSent: number;
  /** Of those: long over, and nobody recorded how they ended. */
  attemptsLost: number;
  /** How many rooms were sent so many requests beyond their first; those with none sent are not in it. */
  roomsByRetries: ReadonlyMap<number, number>;
  statistics: Statistics;
  statisticsFrom: SourceCounts;
  problems: Problem[];
  topByViewers: TopRoom[];
  topByGiftCoins: TopRoom[];
  /** When the first and the last request were sent, in microseconds since the epoch. */
  firstSentUs: number | undefined;
  lastSentUs: number | undefined;
}

export interface TallyCounter {
  add(row: ReportRow & Partial<LedgerRow>): void;
  result(): Tally;
}

/** Rooms in a list of the top ones. */
const topRooms = 10;

const names = [
  'totalViewers',
  'totalGiftsSent',
  'totalGiftCoins',
  'totalUniqueGiftSenders',
  'totalLikesReceived',
] as const satisfies readonly (keyof Statistics)[];

export function createTally(): TallyCounter {
  const counts = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as OutcomeCounts;
  const sums = Object.fromEntries(names.map((name) => [name, 0n])) as unknown as Statistics;
  const sources = Object.fromEntries(statisticsSources.map((each) => [each, 0])) as SourceCounts;
  const problems = new Map<string, Problem>();
  const roomsByRetries = new Map<number, number>();
  const totals = {
    ...{ rooms: 0, open: 0, waiting: 0, joined: 0 },
    ...{ attempts: 0, attemptsRecorded: 0, attemptsNotSent: 0, attemptsLost: 0 },
  };
  const topByViewers: TopRoom[] = [];
  const topByGiftCoins: TopRoom[] = [];
  let firstSentUs: number | undefined;
  let lastSentUs: number | undefined;

  function addProblem(outcome: Outcome, row: ReportRow): void {
    // Without a code it is the text that tells causes apart; of rooms that were created again it has their times.
    const text = outcome === 'recreated' ? '' : row.errorInfo;
    const key = `${outcome} ${row.errorCode ?? text ?? ''}`;
    const known = problems.get(key);
    if (known === undefined) {
      const { errorCode, errorInfo } = row;
      problems.set(key, { outcome, errorCode, errorInfo, rooms: 1, example: row.roomId });
      return;
    }
    known.rooms += 1;
    known.errorInfo ??= row.errorInfo;
    if (row.roomId < known.example) known.example = row.roomId;
  }

  return {
    add(row) {
      totals.rooms += 1;
      if (row.joined) totals.joined += 1;
      const { endedAttempts = 0, sentAttempts = 0, lostAttempts = 0 } = row;
      totals.attempts += endedAttempts;
      totals.attemptsRecorded += row.attempts;
      totals.attemptsNotSent += endedAttempts - sentAttempts;
      totals.attemptsLost += lostAttempts;
      if (sentAttempts > 0) addOne(roomsByRetries, sentAttempts - 1);
      if (row.outcome === undefined) totals[row.state === 'waiting' ? 'waiting' : 'open'] += 1;
      else {
        counts[row.outcome] += 1;
        if (!isGone(row.outcome)) addProblem(row.outcome, row);
      }
      const source = statisticsSources.find((each) => each === row.statisticsSource);
      if (source !== undefined) sources[source] += 1;
      for (const name of names) {
        const value = row.totals[name];
        if (value !== undefined) sums[name] += value;
      }
      addTop(topByViewers, row.roomId, row.totals.totalViewers);
      addTop(topByGiftCoins, row.roomId, row.totals.totalGiftCoins);
      if (row.firstSentUs !== undefined && row.firstSentUs < (firstSentUs ?? Infinity))
        firstSentUs = row.firstSentUs;
      if (row.lastSentUs !== undefined && row.lastSentUs > (lastSentUs ?? -Infinity))
        lastSentUs = row.lastSentUs;
    },
    result: () => ({
      ...totals,
      roomsByRetries,
      outcomes: counts,
      statistics: sums,
      statisticsFrom: sources,
      problems: [...problems.values()].sort(byFrequency),
      topByViewers,
      topByGiftCoins,
      firstSentUs,
      lastSentUs,
    }),
  };
}

export function addOne(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The highest first; of equal ones the first by RoomId. A room with nothing is in no list. */
function addTop(top: TopRoom[], roomId: string, value: bigint | undefined): void {
  if (value === undefined || value <= 0n) return;
  const last = top.at(-1);
  if (top.length === topRooms && last !== undefined && !isAbove({ roomId, value }, last)) return;
  const at = top.findIndex((each) => isAbove({ roomId, value }, each));
  top.splice(at === -1 ? top.length : at, 0, { roomId, value });
  if (top.length > topRooms) top.pop();
}

function isAbove(a: TopRoom, b: TopRoom): boolean {
  return a.value > b.value || (a.value === b.value && a.roomId < b.roomId);
}

function byFrequency(a: Problem, b: Problem): number {
  return (
    b.rooms - a.rooms ||
    a.outcome.localeCompare(b.outcome) ||
    (a.errorCode ?? Infinity) - (b.errorCode ?? Infinity)
  );
}
