/** Recording what became of attempts and destructions. */
import { type Destruction, type Outcome, type Statistics, outcomes } from '../destruction.js';
import type { Database } from './database.js';

/** The end of one attempt. */
export interface AttemptEnd {
  attempt: number;
  /** Milliseconds since the epoch, on the database's clock; absent where nothing was written to a connection. */
  sentAtMs: number | undefined;
  endedAtMs: number;
  httpStatus: number | undefined;
  errorCode: number | undefined;
  verdict: string;
  reason: string;
  /** Whether the room may have been destroyed by it although we were not told so. */
  mayHaveActed: boolean;
  requestId: string | undefined;
  /** The body of an answer of which not all could be read; without the signature. */
  rawAnswer?: string | undefined;
}

/** How a destruction ended. */
export interface DestructionEnd {
  outcome: Outcome;
  errorCode: number | undefined;
  errorInfo: string | undefined;
  requestId: string | undefined;
  statistics: Statistics | undefined;
}

export interface RecordItem {
  destructionId: string;
  /** What the row of the destruction is made of, where a restored database has lost it. */
  destruction?: Omit<Destruction, 'id'>;
  attempt: AttemptEnd | undefined;
  end: DestructionEnd | undefined;
}

/**
 * Writes the ends of attempts and, where given, the outcomes with their statistics, and
 * counts the outcomes in their batches. Safe to repeat: a second run changes nothing.
 *
 * The first outcome stands, with one exception: statistics that arrived are never lost,
 * so a success with statistics replaces any outcome without them. (Two workers can hold
 * the same job at once; the one told "gone" may be the first to commit.)
 *
 * Where the statistics were lost on the way, those of a snapshot count (src/ledger/snapshots.ts).
 *
 * An item names its room ($20): where the destruction is of another one, somebody forged
 * the job, and nothing of it is written.
 *
 * $1–$21: arrays of one element per item; times in epoch milliseconds.
 * Returns the outcome that now stands, per destruction.
 * Locks the destructions, then their batches, each in the order of their ids, so that
 * two workers cannot wait for each other.
 */
const recordSql = `
with ended as materialized (
  select * from unnest($1::text[], $2::int[], $3::float8[], $4::float8[], $5::int[], $6::int[], $7::text[],
    $8::text[], $9::bool[], $10::text[], $11::text[], $12::int[], $13::text[], $14::text[], $15::text[],
    $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[])
    as e (id, attempt, sent_at, ended_at, http_status, attempt_code, verdict, reason, may_have_acted,
      attempt_request_id, outcome, error_code, error_info, request_id, total_viewers, total_gifts_sent,
      total_gift_coins, total_unique_gift_senders, total_likes_received, room_id, raw_answer)
),
attempt_ends as (
  update room_reaper.attempts t
     set sent_at = to_timestamp(e.sent_at / 1000), ended_at = to_timestamp(e.ended_at / 1000),
         http_status = e.http_status, error_code = e.attempt_code, verdict = e.verdict, reason = e.reason,
         may_have_acted = e.may_have_acted, request_id = e.attempt_request_id,
         raw_answer = e.raw_answer
    from ended e
   where t.destruction_id = e.id and t.attempt = e.attempt
     and not coalesce((select d.room_id <> e.room_id from room_reaper.destructions d where d.id = e.id), false)
),
before as materialized (
  select d.id, d.outcome
    from room_reaper.destructions d
   where d.id = any (array(select id from ended where outcome is not null))
     and not exists (select from ended e where e.id = d.id and e.outcome is not null and e.room_id <> d.room_id)
   order by d.id
     for update
),
finished as (
  update room_reaper.destructions d
     set outcome = e.outcome, error_code = e.error_code, error_info = e.error_info, request_id = e.request_id,
         attempts = (select count(*) from room_reaper.attempts t where t.destruction_id = e.id),
         finished_at = clock_timestamp(),
         total_viewers = coalesce(e.total_viewers::bigint, s.total_viewers),
         total_gifts_sent = coalesce(e.total_gifts_sent::bigint, s.total_gifts_sent),
         total_gift_coins = coalesce(e.total_gift_coins::bigint, s.total_gift_coins),
         total_unique_gift_senders = coalesce(e.total_unique_gift_senders::bigint, s.total_unique_gift_senders),
         total_likes_received = coalesce(e.total_likes_received::bigint, s.total_likes_received),
         snapshot_at = s.taken_at,
         statistics_source = case e.outcome when 'destroyed' then 'response'
           when 'destroyed_statistics_lost' then case when s.taken_at is null then 'lost' else 'snapshot' end
           when 'already_gone' then 'none' end
    from ended e join before b on b.id = e.id
    left join room_reaper.snapshots s on s.destruction_id = e.id and e.outcome = 'destroyed_statistics_lost'
   where d.id = e.id and e.outcome is not null
     and (b.outcome is null or (e.outcome = 'destroyed' and b.outcome <> 'destroyed'))
  returning d.id, d.batch_id, d.outcome, b.outcome as outcome_before
),
changes as materialized (
  select batch_id, outcome, 1 as change from finished where batch_id is not null
  union all
  select batch_id, outcome_before, -1 from finished where batch_id is not null and outcome_before is not null
),
batch_locks as materialized (
  select id from room_reaper.batches where id in (select batch_id from changes) order by id for update
),
counted as (
  update room_reaper.batches b
     set ${outcomes.map((outcome) => `${outcome} = b.${outcome} + c.${outcome}`).join(', ')}
    from (select batch_id,
                 ${outcomes.map((outcome) => `coalesce(sum(change) filter (where outcome = '${outcome}'), 0) as ${outcome}`).join(', ')}
            from changes group by batch_id) c, batch_locks k
   where b.id = c.batch_id and k.id = b.id
)
select e.id, coalesce(f.outcome, b.outcome) as outcome
  from ended e left join finished f on f.id = e.id left join before b on b.id = e.id`;

/** @throws the driver's error where the database cannot be used; nothing is half written then. */
export async function recordEnds(
  database: Database,
  sdkAppId: number,
  items: readonly RecordItem[],
): Promise<(Outcome | undefined)[]> {
  const standing = await record(database, items);
  const lost = items.filter((item) => item.end && !standing.get(item.destructionId));
  if (lost.length > 0) {
    const known = lost.flatMap(({ destructionId, destruction }) =>
      destruction === undefined ? [] : [{ id: destructionId, ...destruction }],
    );
    await ensureDestructions(database, sdkAppId, known);
    for (const [id, outcome] of await record(database, lost)) standing.set(id, outcome);
  }
  return items.map((item) => standing.get(item.destructionId));
}

/**
 * $1 SDKAppID; $2–$7 arrays of one element per destruction: id, room, batch, requested at,
 * not after, only created before (epoch ms, the last or null). Makes the rows that a failover or a restored backup has lost.
 * In the order of their ids, as the reserve statement does: each waits for a row that the
 * other is making.
 */
const restoreSql = `
insert into room_reaper.destructions
  (id, sdk_app_id, room_id, batch_id, requested_at, not_after, only_created_before)
select id, $1, room_id, batch_id, to_timestamp(requested_at / 1000), to_timestamp(not_after / 1000),
       to_timestamp(only_created_before / 1000)
  from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[])
    as a (id, room_id, batch_id, requested_at, not_after, only_created_before)
 order by id
on conflict (id) do nothing`;

/** Makes the rows of these destructions where there are none. */
export async function ensureDestructions(
  database: Database,
  sdkAppId: number,
  known: readonly Destruction[],
): Promise<void> {
  await database.query('record-restore', restoreSql, [
    sdkAppId,
    known.map((each) => each.id),
    known.map((each) => each.roomId),
    known.map((each) => each.batchId ?? null),
    known.map((each) => each.requestedAtMs),
    known.map((each) => each.notAfterMs),
    known.map((each) => each.onlyCreatedBeforeMs ?? null),
  ]);
}

async function record(
  database: Database,
  items: readonly RecordItem[],
): Promise<Map<string, Outcome | undefined>> {
  const attempt = <V>(pick: (end: AttemptEnd) => V | undefined) =>
    items.map((item) => (item.attempt ? (pick(item.attempt) ?? null) : null));
  const end = <V>(pick: (end: DestructionEnd) => V | undefined) =>
    items.map((item) => (item.end ? (pick(item.end) ?? null) : null));
  const total = (name: keyof Statistics) => end((value) => value.statistics?.[name].toString());

  const rows = await database.query<{ id: string; outcome: Outcome | null }>('record', recordSql, [
    items.map((item) => item.destructionId),
    attempt((value) => value.attempt),
    attempt((value) => value.sentAtMs),
    attempt((value) => value.endedAtMs),
    attempt((value) => value.httpStatus),
    attempt((value) => value.errorCode),
    attempt((value) => value.verdict),
    attempt((value) => value.reason),
    attempt((value) => value.mayHaveActed),
    attempt((value) => value.requestId),
    end((value) => value.outcome),
    end((value) => value.errorCode),
    end((value) => value.errorInfo),
    end((value) => value.requestId),
    total('totalViewers'),
    total('totalGiftsSent'),
    total('totalGiftCoins'),
    total('totalUniqueGiftSenders'),
    total('totalLikesReceived'),
    items.map((item) => item.destruction?.roomId ?? null),
    attempt((value) => value.rawAnswer),
  ]);
  return new Map(rows.map((row) => [row.id, row.outcome ?? undefined]));
}
