import type { ServerReport } from './counting-server.js';
import { withPostgres } from './postgres.js';
import { assertSlidingWindow } from './sliding-window.js';
import { earliest } from './stalls.js';

/** `ARRIVAL_JITTER_MS`: a window of slots is this much longer than the second at the door. */
const jitterMs = 20;

/** The ledger keeps microseconds. */
const roundingMs = 0.001;

/** The arrivals of one command: `{ ...report, ...report.commands.get_room_info }` for one that reads. */
type Arrivals = Pick<ServerReport, 'requests' | 'startedAtMs' | 'stalls'>;

/**
 * In no sliding second did more requests arrive than `quota`.
 *
 * By the server's own clock, as far as that is certain: a request that it noticed after it had
 * stood still may have come at any time meanwhile, and only what is too early all the same fails.
 * The slots say the same to the microsecond however busy the machine is.
 *
 * @param slots - of the requests that were sent ({@link sentSlots}).
 */
export function assertQuotaKept(
  { requests, startedAtMs, stalls }: Arrivals,
  quota: number,
  slots: readonly number[] = [],
): void {
  const arrivals = requests.map(({ atMs }) => atMs);
  assertSlidingWindow(arrivals, {
    slots: quota,
    mayCoincide: true,
    spanMs(last) {
      const firstMs = startedAtMs + (arrivals[last - quota] ?? NaN);
      return 1_000 - (firstMs - earliest(firstMs, stalls));
    },
  });
  assertSlidingWindow(slots, { slots: quota, spanMs: 1_000 + jitterMs - roundingMs });
}

/** The slots of all requests that the ledger knows to be sent, in milliseconds since the epoch. */
export async function sentSlots(databaseUrl: string): Promise<number[]> {
  const { rows } = await withPostgres(databaseUrl, (client) =>
    client.query<{ slot_ms: number }>(
      `select extract(epoch from slot_at)::float8 * 1000 as slot_ms
         from room_reaper.attempts where sent_at is not null order by slot_at`,
    ),
  );
  return rows.map(({ slot_ms }) => slot_ms);
}
