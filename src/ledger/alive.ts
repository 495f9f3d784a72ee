/** When a worker counts as at work: what it says of itself is not older than three beats. */

/** One that was not heard of for so long is not counted on, in milliseconds. */
const aliveForMs = 15_000;

/**
 * SQL: whether this worker is at work. One that was heard of long after now was heard of before
 * the clock went back.
 */
export function isAlive(worker: string): string {
  const away = `${aliveForMs} * interval '1 millisecond'`;
  return `(${worker}.state <> 'ended' and ${worker}.seen_at > clock_timestamp() - ${away}
             and ${worker}.seen_at < clock_timestamp() + ${away})`;
}
