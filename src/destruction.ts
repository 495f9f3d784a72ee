/** One destruction: what is asked for, how it ends, and what it leaves behind. */

/** What is done before a room is destroyed, where whoever asks for it wants that. */
export interface Precautions {
  /** Nothing is sent for a room that was created later, in milliseconds since the epoch: it is a new one. */
  onlyCreatedBeforeMs?: number | undefined;
  /** Whether its statistics are read before it is destroyed. */
  snapshot?: boolean | undefined;
}

export interface Destruction extends Precautions {
  id: string;
  roomId: string;
  batchId: string | undefined;
  requestedAtMs: number;
  /** Nothing is sent later, in milliseconds since the epoch. */
  notAfterMs: number;
  /** A result of an earlier run that is not in the ledger yet. */
  unsavedResult?: string;
}

/** How a destruction ended. */
export const outcomes = [
  'destroyed',
  'destroyed_statistics_lost',
  'already_gone',
  'recreated',
  'rejected',
  'failed',
  'expired',
  'cancelled',
] as const;

export type Outcome = (typeof outcomes)[number];

export type OutcomeCounts = Record<Outcome, number>;

/** Outcomes after which the room does not exist any more. */
export function isGone(outcome: Outcome): boolean {
  return (
    outcome === 'destroyed' || outcome === 'destroyed_statistics_lost' || outcome === 'already_gone'
  );
}

/** The counts by outcome, and nothing else. */
export function countsOf(counts: OutcomeCounts): OutcomeCounts {
  return Object.fromEntries(outcomes.map((each) => [each, counts[each]])) as OutcomeCounts;
}

/** How many rooms have ended. */
export function finishedCount(counts: OutcomeCounts): number {
  return outcomes.reduce((sum, outcome) => sum + counts[outcome], 0);
}

/** Of the rooms that ended: how many are gone, and how many are not. */
export function goneAndNot(counts: OutcomeCounts): { gone: number; notGone: number } {
  const sum = (those: readonly Outcome[]) =>
    those.reduce((before, outcome) => before + counts[outcome], 0);
  return { gone: sum(outcomes.filter(isGone)), notGone: sum(outcomes.filter((o) => !isGone(o))) };
}

/**
 * The final statistics of a room, given once, by the answer that destroyed it.
 * bigint: coins can exceed 2³¹, and nothing promises that sums stay below 2⁵³.
 */
export interface Statistics {
  totalViewers: bigint;
  totalGiftsSent: bigint;
  totalGiftCoins: bigint;
  totalUniqueGiftSenders: bigint;
  totalLikesReceived: bigint;
}

/** Where statistics come from; `lost`: we destroyed the room and nobody told us. */
export const statisticsSources = ['response', 'webhook', 'snapshot', 'lost'] as const;

/** Rooms by where their statistics come from. */
export type SourceCounts = Record<(typeof statisticsSources)[number], number>;

/** A destruction that the ledger has the end of. */
export interface EndedDestruction extends Pick<Destruction, 'id' | 'roomId' | 'batchId'> {
  outcome: Outcome;
  /** Why, in words. */
  reason: string;
  /** Final statistics, with the outcome `destroyed`; undefined also where an earlier run saved them. */
  statistics: Statistics | undefined;
}

/** The end of a room as the API tells of it by itself, whoever ended it. */
export interface RoomEvent {
  roomId: string;
  /** By the API's clock, in milliseconds since the epoch. */
  endedAtMs: number;
  endedBy: 'user' | 'system';
  /** The account that ended it, where one is told. */
  operator: string | undefined;
  /** undefined: the event had none. */
  statistics: Statistics | undefined;
}
