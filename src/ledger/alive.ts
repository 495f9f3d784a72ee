/** When a worker counts as at work: what it says of itself is not older than three beats. */

/** One that was not heard of for so long is not counted on, in milliseconds. */
const aliveForMs = 15_000;

/** SQL: whether this worker is at work. */
export function isAlive(worker: string): string {
  return `(${worker}.state <> 'ended' and ${worker}.seen_at > clock_timestamp() - ${aliveForMs} * interval '1 millisecond')`;
}
