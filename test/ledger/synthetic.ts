/** A ledger filled with made-up rows, as it would be after a year of use. */
import { withPostgres } from '../support/servers.js';

export interface Synthetic {
  sdkAppId: number;
  /** Rooms in all. */
  rooms: number;
  /** Rooms of one batch. */
  roomsOfBatch: number;
}

/** Batch number `n`, counted from 0. */
export function syntheticBatchId(n: number): string {
  return `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
}

/**
 * Batches one after the other at 196 rooms a second, the newest one ending now; every room
 * destroyed, by one request, one in fifty by two.
 */
export async function fillLedger(
  url: string,
  { sdkAppId, rooms, roomsOfBatch }: Synthetic,
): Promise<void> {
  // As those of lists are: the time of the batch, then the RoomId's digest.
  const id = `(lpad(to_hex(n / ${roomsOfBatch}), 12, '0') || substr(md5(n::text), 13))::uuid::text`;
  const statements = [
    `insert into room_reaper.lines (id, sdk_app_id, host, command, interval_ms, not_before, recent)
     select 'api.example ${sdkAppId} destroy_room', ${sdkAppId}, 'api.example', 'destroy_room', 5.1, now(),
            array(select extract(epoch from now())::float8 * 1000 - n * 5.1 from generate_series(200, 1, -1) n)
     on conflict do nothing`,
    `insert into room_reaper.batches (id, sdk_app_id, name, fingerprint, total, created_at, enqueued_at, finished_at, destroyed)
     select '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), ${sdkAppId}, 'batch ' || n, n::text, ${roomsOfBatch},
            t, t, t + ${roomsOfBatch} / 196.0 * interval '1 s', ${roomsOfBatch}
       from generate_series(0, ${rooms / roomsOfBatch} - 1) n,
            lateral (select now() - (${rooms} - n * ${roomsOfBatch}) / 196.0 * interval '1 s' as t) x`,
    `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after, outcome, error_code,
       request_id, attempts, finished_at, total_viewers, total_gifts_sent, total_gift_coins, total_unique_gift_senders,
       total_likes_received, statistics_source)
     select ${id}, ${sdkAppId}, 'live-' || md5(n::text || 'r')::char(12),
            '00000000-0000-7000-8000-' || lpad((n / ${roomsOfBatch})::text, 12, '0'),
            now() - (${rooms} - n / ${roomsOfBatch} * ${roomsOfBatch}) / 196.0 * interval '1 s', now() - (${rooms} - n) / 196.0 * interval '1 s' + interval '1 s',
            'destroyed', 0, 'Id-' || md5(n::text || 'q'), case when n % 50 = 0 then 2 else 1 end,
            now() - (${rooms} - n) / 196.0 * interval '1 s', n % 1000, n % 100, n % 10000, n % 10, n, 'response'
       from generate_series(0, ${rooms} - 1) n`,
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at, http_status,
       error_code, verdict, reason, may_have_acted, request_id, line)
     select ${id}, a, 'worker-1', t, t, t + interval '50 ms', 200, case when a = 1 and n % 50 = 0 then 100001 else 0 end,
            'destroyed', 'destroyed', false, 'Id-' || md5(n::text || 'q' || a), (select number from room_reaper.lines where sdk_app_id = ${sdkAppId})
       from generate_series(0, ${rooms} - 1) n, generate_series(1, case when n % 50 = 0 then 2 else 1 end) a,
            lateral (select now() - (${rooms} - n) / 196.0 * interval '1 s' + a * interval '2 ms' as t) x
      order by n, a`,
    'vacuum analyze room_reaper.destructions, room_reaper.attempts, room_reaper.batches, room_reaper.batch_joins, room_reaper.lines',
  ];
  await withPostgres(url, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}
