/** The outbox: events that others are told of. Triggers write them (migration 0012_events.sql). */
import type { Database } from './database.js';

export const eventTypes = [
  'batch.finished',
  'batch.cancelled',
  'line.stopped',
  'line.resumed',
  'line.outage_began',
  'line.outage_ended',
] as const;

export type EventType = (typeof eventTypes)[number];

export interface DueEvent {
  id: string;
  type: EventType;
  data: object;
  createdAtMs: number;
  /** How often it was tried, this time included. */
  tries: number;
  /** How old it is on the database's clock, in milliseconds. */
  ageMs: number;
}

/**
 * $1 SDKAppID, $2 rows, $3 lease (ms), $4 oldest (ms). Takes what is due, in the order in which it
 * became true: nobody else tries it until the lease is over. What is older than that is given up.
 */
const takeSql = `
with due as (
  select id from room_reaper.events
   where sdk_app_id = $1 and due_at <= clock_timestamp()
   order by created_at, id limit $2 for update skip locked
)
update room_reaper.events e
   set tries = tries + 1,
       due_at = case when created_at > clock_timestamp() - $4 * interval '1 millisecond'
                     then clock_timestamp() + $3 * interval '1 millisecond' end
  from due where e.id = due.id
returning e.id, e.type, e.data, extract(epoch from e.created_at)::float8 * 1000 as created_at, e.tries,
          extract(epoch from clock_timestamp() - e.created_at)::float8 * 1000 as age, e.due_at is null as is_old`;

/** @returns what is due, oldest first. */
export async function takeDueEvents(
  database: Database,
  options: { sdkAppId: number; limit: number; leaseMs: number; oldestMs: number },
): Promise<DueEvent[]> {
  const { sdkAppId, limit, leaseMs, oldestMs } = options;
  const rows = await database.query<
    Record<'created_at' | 'age' | 'tries', number> & {
      id: string;
      type: EventType;
      data: object;
      is_old: boolean;
    }
  >('events-take', takeSql, [sdkAppId, limit, leaseMs, oldestMs]);
  return rows
    .filter((row) => !row.is_old)
    .sort((a, b) => a.created_at - b.created_at)
    .map(({ id, type, data, created_at, tries, age }) => ({
      ...{ id, type, data, tries },
      createdAtMs: Math.floor(created_at),
      ageMs: age,
    }));
}

/** $1 id, $2 pause (ms) before the next try, or null, $3 why it failed, or null. */
const triedSql = `
update room_reaper.events
   set due_at = clock_timestamp() + $2 * interval '1 millisecond', trouble = $3
 where id = $1 and due_at is not null`;

/**
 * Notes how a try went.
 *
 * @param again - in how many milliseconds it is tried again; undefined: never.
 * @param trouble - why it failed, without secrets.
 */
export async function noteTry(
  database: Database,
  id: string,
  { again, trouble }: { again?: number; trouble?: string },
): Promise<void> {
  await database.query('event-tried', triedSql, [id, again ?? null, trouble ?? null]);
}

export interface FailingDeliveries {
  /** Events whose last try failed and that are tried again. */
  waiting: number;
  /** Given up in the last day. */
  givenUp: number;
  /** When the oldest of them became true, in milliseconds since the epoch. */
  sinceMs: number;
  /** Why the newest of them failed. */
  trouble: string;
}

/** $1 SDKAppID. */
const failingSql = `
select count(*) filter (where due_at is not null)::int as waiting,
       count(*) filter (where due_at is null)::int as given_up,
       extract(epoch from min(created_at))::float8 * 1000 as since,
       (array_agg(trouble order by created_at desc))[1] as trouble
  from room_reaper.events
 where sdk_app_id = $1 and trouble is not null and created_at > clock_timestamp() - interval '1 day'`;

/** undefined: none fails. */
export async function readFailingDeliveries(
  database: Database,
  sdkAppId: number,
): Promise<FailingDeliveries | undefined> {
  const [row] = await database.query<{
    waiting: number;
    given_up: number;
    since: number | null;
    trouble: string | null;
  }>('events-failing', failingSql, [sdkAppId]);
  if (row === undefined || row.since === null) return undefined;
  const { waiting, given_up: givenUp, since, trouble } = row;
  return { waiting, givenUp, sinceMs: Math.floor(since), trouble: trouble ?? '' };
}
