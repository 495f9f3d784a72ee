import type { Database } from './database.js';

/**
 * Takes back attempts that were recorded but not sent.
 *
 * $1 worker id, $2 destruction ids.
 */
const releaseSql = `
delete from room_reaper.attempts
 where worker_id = $1 and destruction_id = any ($2::text[]) and ended_at is null`;

/**
 * Takes back the attempts that this worker reserved for these destructions and did not
 * send, so that nobody takes them for requests whose answer was lost.
 */
export async function releaseUnsent(
  database: Database,
  workerId: string,
  destructionIds: readonly string[],
): Promise<void> {
  await database.query('release', releaseSql, [workerId, destructionIds]);
}
