/** Where destructions stand, for a worker that asks about their rooms before it sends anything. */
import { isCancelled, wasSent } from './cancel.js';
import type { Database } from './database.js';

export interface Standing {
  /** It has an outcome, or was taken back: nothing is to be sent. */
  isClosed: boolean;
  /** Whether a request was, or may have been, sent for it. */
  sent: boolean;
  /** Whether one may have destroyed the room: the label of a later "gone". */
  mayHaveActed: boolean;
  /** When its snapshot was taken, in milliseconds since the epoch. */
  snapshotAtMs: number | undefined;
}

/** $1 ids, $2 batches, $3 worker id. As the statement that reserves reads it (src/ledger/reserve.ts). */
const standingSql = `
select a.id, d.outcome is not null or ${isCancelled('a.id', 'coalesce(d.batch_id, a.batch_id)')} as is_closed,
       coalesce(h.sent, false) as sent, coalesce(h.may_have_acted, false) as may_have_acted,
       extract(epoch from s.taken_at)::float8 * 1000 as snapshot_at
  from unnest($1::text[], $2::text[]) as a (id, batch_id)
  left join room_reaper.destructions d on d.id = a.id
  left join room_reaper.snapshots s on s.destruction_id = a.id
  left join lateral (
    select bool_or(t.ended_at is null or t.may_have_acted) as may_have_acted, bool_or(${wasSent('t')}) as sent
      from room_reaper.attempts t
     where t.destruction_id = a.id and (t.ended_at is not null or t.worker_id <> $3)
  ) h on true`;

interface Row {
  id: string;
  is_closed: boolean;
  sent: boolean;
  may_have_acted: boolean;
  snapshot_at: number | null;
}

/**
 * @returns one for each, in their order.
 * @throws the driver's error where the database cannot be used; an Error where its answer lacks one.
 */
export async function readStandings(
  database: Database,
  workerId: string,
  asked: readonly { id: string; batchId: string | undefined }[],
): Promise<Standing[]> {
  const rows = await database.query<Row>('standing', standingSql, [
    asked.map(({ id }) => id),
    asked.map(({ batchId }) => batchId ?? null),
    workerId,
  ]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return asked.map(({ id }) => {
    const row = byId.get(id);
    if (row === undefined) throw new Error(`the ledger said nothing of ${id}`);
    return {
      isClosed: row.is_closed,
      sent: row.sent,
      mayHaveActed: row.may_have_acted,
      snapshotAtMs: row.snapshot_at ?? undefined,
    };
  });
}
