/** How a destruction ended. */
export const outcomes = [
  'destroyed',
  'destroyed_statistics_lost',
  'already_gone',
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
