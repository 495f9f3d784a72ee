/**
 * What a benchmark is.
 *
 * To add one: write `bench/<name>.ts` with an `export default` of a {@link Bench}, and add
 * its name to `names` in bench/run.mjs. Its comment says what is compared with what. It
 * measures both sides in one run, alternately, because the machine is never quiet twice;
 * checks that the work was right, and throws where it was not; returns the figures, which
 * the runner prints and writes to bench/results/<name>.json.
 */
import type { SharedServers } from '../test/support/shared-servers.js';

export interface BenchContext {
  /** Small, for CI: shows that the benchmark still works, not how fast the program is. */
  short: boolean;
  /** Where plots of what is measured are drawn; undefined: nowhere. */
  plotFolder: string | undefined;
  servers: SharedServers;
  /** Path of the built program. */
  program: string;
  say: (text: string) => void;
}

export interface Figure {
  /** What it is, with its unit. */
  name: string;
  value: number;
  /** What it should be, at full size; undefined: for information. */
  goal?: { atMost: number } | { atLeast: number };
}

export interface Bench {
  /** What is measured, in one line. */
  title: string;
  run(context: BenchContext): Promise<Figure[]>;
}

export function meetsGoal({ value, goal }: Figure): boolean | undefined {
  if (goal === undefined) return undefined;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** The middle one; of an even number, the lower of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;
}

/** The smallest value that at least this share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
