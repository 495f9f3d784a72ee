/** The rooms of batches that wait on the queue. */
import type pg from 'pg';
import type { Destruction } from '../destruction.js';
import { batchIdPrefix } from './destruction-id.js';
import { type DestroyQueue, readDestruction } from './job.js';
import type { ManyJobs } from './many-jobs.js';

/**
 * Reads what is on the queue for a batch, page by page: what waits, is delayed or in hand. A room
 * may come more than once.
 *
 * @throws the queue's error where it cannot be reached.
 */
export type RoomsOfBatch = (batch: {
  id: string;
  /** Milliseconds since the epoch. */
  createdAtMs: number;
}) => AsyncGenerator<Destruction[]>;

/** Jobs read by one call. */
const pageSize = 1_000;

/** How much two pages overlap: as many jobs may be added before a page while it is read. */
const overlap = 100;

/**
 * In the order in which a job goes through them, so that one that moves on while they are
 * read is found in the next.
 */
const states = ['delayed', 'prioritized', 'wait', 'active'] as const;

/**
 * Each list is read from its end: jobs leave it at its beginning, and what moves up meanwhile
 * comes again rather than being passed over. While the queue moves one may be missed.
 */
export function roomsOfBatchOnRedis(queue: DestroyQueue, jobs: ManyJobs): RoomsOfBatch {
  return async function* ({ id, createdAtMs }) {
    const prefix = batchIdPrefix(createdAtMs);
    for (const state of states) {
      let end = (await queue.getJobCountByTypes(state)) - 1;
      while (end >= 0) {
        const start = Math.max(0, end - pageSize + 1);
        const ids = await queue.getRanges([state], start, end, true);
        const page = await jobs.read(ids.filter((each) => each.startsWith(prefix)));
        const found = page.filter(({ batchId }) => batchId === id);
        if (found.length > 0) yield found;
        end = start === 0 ? -1 : start - 1 + overlap;
      }
    }
  };
}

/**
 * $1 queue name, $2 behind this id, $3 before that, $4 rows. Reads BullMQ's table by its key: the ids
 * of a batch begin alike, whatever becomes of their jobs meanwhile.
 */
const pageSql = `
select id, data, added_at_ms::float8 as added_at from job
 where queue = $1 and id > $2 and id < $3 and state in ('waiting', 'delayed', 'active')
 order by id limit $4`;

/** @param pool - its search path is BullMQ's schema. */
export function roomsOfBatchOnPostgres(pool: pg.Pool, queue: DestroyQueue): RoomsOfBatch {
  return async function* ({ id, createdAtMs }) {
    const prefix = batchIdPrefix(createdAtMs);
    // No digit of an id comes behind a `g`, in whatever order the database has texts.
    for (let [after, isLast] = [prefix, false]; !isLast;) {
      const { rows } = await pool.query<{ id: string; data: unknown; added_at: number }>(pageSql, [
        ...[queue.name, after, `${prefix}g`, pageSize],
      ]);
      const page = rows.flatMap((row) => readDestruction(row.id, row.data, row.added_at) ?? []);
      const found = page.filter(({ batchId }) => batchId === id);
      if (found.length > 0) yield found;
      isLast = rows.length < pageSize;
      after = rows.at(-1)?.id ?? after;
    }
  };
}

/** Jobs of each list that are looked at where only its front is. */
const frontSize = 500;

/** What is due next, goes next or is in hand, of all batches, in this order: at most so many of each. */
export async function readFront(
  queue: DestroyQueue,
  jobs: Pick<ManyJobs, 'read'>,
): Promise<Destruction[]> {
  const ids = await queue.getRanges([...states], 0, frontSize - 1, true);
  const placeOf = new Map(ids.map((id, place) => [id, place]));
  const placed = ({ id }: Destruction) => placeOf.get(id) ?? 0;
  return (await jobs.read(ids)).sort((one, other) => placed(one) - placed(other));
}
