/** What a batch came to, read from the ledger. */
import type { Statistics } from '../statistics.js';
import type { Database } from './database.js';
import type { Outcome } from './outcome.js';

export interface BatchSummary {
  /** HTTP requests. */
  attempts: number;
  /** Most requests sent in any sliding 1,000 ms while the batch was worked on, whatever they were for. */
  worstWindow: number;
  statistics: Statistics;
  /** Why rooms are not gone, by code. */
  problems: {
    outcome: Outcome;
    errorCode: number | undefined;
    errorInfo: string | undefined;
    rooms: number;
    example: string;
  }[];
}

/** The destructions of a batch: its own, and those that it joined. $1 batch id. */
const membersCte = `
members as (
  select d.* from room_reaper.destructions d where d.batch_id = $1
  union
  select d.* from room_reaper.batch_joins j join room_reaper.destructions d on d.id = j.destruction_id
   where j.batch_id = $1
)`;

/** $1 batch id. Totals as text: sums of bigints are exact and may not fit a double. */
const totalsSql = `
with ${membersCte}
select (select count(*)::int from members m join room_reaper.attempts a on a.destruction_id = m.id
         where a.ended_at is not null) as attempts,
       coalesce(sum(total_viewers), 0)::text as total_viewers,
       coalesce(sum(total_gifts_sent), 0)::text as total_gifts_sent,
       coalesce(sum(total_gift_coins), 0)::text as total_gift_coins,
       coalesce(sum(total_unique_gift_senders), 0)::text as total_unique_gift_senders,
       coalesce(sum(total_likes_received), 0)::text as total_likes_received
  from members`;

/** $1 batch id. All requests of the app in the time of the batch count: the quota is the app's. */
const worstWindowSql = `
with ${membersCte},
span as (
  select min(a.sent_at) as first, max(a.sent_at) as last
    from members m join room_reaper.attempts a on a.destruction_id = m.id
),
windows as (
  select count(*) over (order by a.sent_at range between interval '999.999 milliseconds' preceding and current row) as sent
    from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id, span
   where a.sent_at between span.first and span.last
     and d.sdk_app_id = (select sdk_app_id from members limit 1)
)
select coalesce(max(sent), 0)::int as worst from windows`;

/** $1 batch id. */
const problemsSql = `
with ${membersCte}
select outcome, error_code, min(error_info) as error_info, count(*)::int as rooms, min(room_id) as example
  from members
 where outcome in ('rejected', 'failed', 'expired', 'cancelled')
 group by outcome, error_code
 order by rooms desc, outcome, error_code`;

export async function summarizeBatch(database: Database, batchId: string): Promise<BatchSummary> {
  const [totals] = await database.query<Record<string, string> & { attempts: number }>(
    'batch-totals',
    totalsSql,
    [batchId],
  );
  const [window] = await database.query<{ worst: number }>('batch-window', worstWindowSql, [
    batchId,
  ]);
  const problems = await database.query<{
    outcome: Outcome;
    error_code: number | null;
    error_info: string | null;
    rooms: number;
    example: string;
  }>('batch-problems', problemsSql, [batchId]);
  return {
    attempts: totals?.attempts ?? 0,
    worstWindow: window?.worst ?? 0,
    statistics: {
      totalViewers: BigInt(totals?.['total_viewers'] ?? 0),
      totalGiftsSent: BigInt(totals?.['total_gifts_sent'] ?? 0),
      totalGiftCoins: BigInt(totals?.['total_gift_coins'] ?? 0),
      totalUniqueGiftSenders: BigInt(totals?.['total_unique_gift_senders'] ?? 0),
      totalLikesReceived: BigInt(totals?.['total_likes_received'] ?? 0),
    },
    problems: problems.map((row) => ({
      outcome: row.outcome,
      errorCode: row.error_code ?? undefined,
      errorInfo: row.error_info ?? undefined,
      rooms: row.rooms,
      example: row.example,
    })),
  };
}
