/** What the statistics of rooms were just before they were destroyed. */
import type { Statistics } from '../destruction.js';
import type { Database } from './database.js';

export interface SnapshotItem {
  destructionId: string;
  /** Milliseconds since the epoch, on the database's clock. */
  takenAtMs: number;
  statistics: Statistics;
}

/** $1–$7: arrays of one element per snapshot. A later one takes the place of an earlier one. */
const saveSql = `
insert into room_reaper.snapshots as s (destruction_id, taken_at, total_viewers, total_gifts_sent, total_gift_coins,
                                        total_unique_gift_senders, total_likes_received)
select distinct on (id) id, to_timestamp(taken_at / 1000), viewers::bigint, gifts::bigint, coins::bigint,
       senders::bigint, likes::bigint
  from unnest($1::text[], $2::float8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    as a (id, taken_at, viewers, gifts, coins, senders, likes)
 order by id, taken_at desc
on conflict (destruction_id) do update
   set taken_at = excluded.taken_at, total_viewers = excluded.total_viewers,
       total_gifts_sent = excluded.total_gifts_sent, total_gift_coins = excluded.total_gift_coins,
       total_unique_gift_senders = excluded.total_unique_gift_senders,
       total_likes_received = excluded.total_likes_received
 where s.taken_at < excluded.taken_at`;

/** @throws the driver's error where the database cannot be used. */
export async function saveSnapshots(
  database: Database,
  items: readonly SnapshotItem[],
): Promise<void> {
  const total = (name: keyof Statistics) => items.map(({ statistics }) => String(statistics[name]));
  await database.query('save-snapshots', saveSql, [
    items.map(({ destructionId }) => destructionId),
    items.map(({ takenAtMs }) => takenAtMs),
    total('totalViewers'),
    total('totalGiftsSent'),
    total('totalGiftCoins'),
    total('totalUniqueGiftSenders'),
    total('totalLikesReceived'),
  ]);
}
