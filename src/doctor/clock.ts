/**
 * This machine's clock. It dates UserSigs and deadlines; slots follow the database's clock
 * and do not depend on it (docs/operations.md, "The two clocks").
 */
import { ok, problem, warning, type Finding } from './finding.js';

/** From here on somebody should look, in milliseconds. */
export const clockWarningMs = 1_000;

/**
 * From here on signatures may be refused, in milliseconds. Tencent documents no tolerance; a
 * minute is what servers that check such dates commonly grant.
 */
export const clockProblemMs = 60_000;

export interface ClockFacts {
  /** The ledger's clock minus this machine's, in milliseconds; undefined: not known. */
  ledgerOffsetMs: number | undefined;
  /** The same of the endpoint's `Date` header. */
  endpointOffsetMs: number | undefined;
}

/**
 * The smallest difference that a `Date` header leaves possible: it names a second, and was
 * written some time between the request and the reply.
 *
 * @param header - as it came.
 * @param sentAtMs - this machine's clock when the request went out.
 * @param receivedAtMs - and when the reply came.
 */
export function offsetOfDate(
  header: string | undefined,
  sentAtMs: number,
  receivedAtMs: number,
): number | undefined {
  const second = header === undefined ? Number.NaN : Date.parse(header);
  if (Number.isNaN(second)) return undefined;
  if (second + 1_000 < sentAtMs) return second + 1_000 - sentAtMs;
  if (second > receivedAtMs) return second - receivedAtMs;
  return 0;
}

export function judgeClock({ ledgerOffsetMs, endpointOffsetMs }: ClockFacts): Finding[] {
  return [judgeOffset(ledgerOffsetMs, 'the ledger'), judgeOffset(endpointOffsetMs, 'the API')];
}

function judgeOffset(offsetMs: number | undefined, of: string): Finding {
  if (offsetMs === undefined) return warning(`not compared with the clock of ${of}`);
  const size = Math.abs(offsetMs);
  if (size <= clockWarningMs) return ok(`this machine agrees with the clock of ${of}`);
  const direction = offsetMs > 0 ? 'behind' : 'ahead of';
  const text = `this machine is ${(size / 1000).toFixed(1)} s ${direction} the clock of ${of}`;
  const remedy =
    'run NTP on this machine and on the database: UserSigs and deadlines are dated by this clock';
  return size > clockProblemMs ? problem(text, remedy) : warning(text, remedy);
}
