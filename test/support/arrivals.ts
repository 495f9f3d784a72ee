import type { ServerReport } from './counting-server.js';

/**
 * When the first request for each room arrived, as the wall clock of this machine. The
 * server's clock has an origin of its own: it is told by the request that was fastest from
 * the instant at which it was sent, as the ledger has it, to the instant of its arrival.
 *
 * @param sentAtMs - by room, of rooms that were asked for once.
 */
export function arrivalsOnTheWallClock(
  report: ServerReport,
  sentAtMs: ReadonlyMap<string, number>,
): Map<string, number> {
  const first = new Map<string, number>();
  for (const { roomId, atMs } of report.requests)
    if (roomId !== undefined && !first.has(roomId)) first.set(roomId, atMs);
  let offset = Number.POSITIVE_INFINITY;
  for (const [room, atMs] of first) {
    const sentAt = sentAtMs.get(room);
    if (sentAt !== undefined) offset = Math.min(offset, atMs - sentAt);
  }
  return new Map([...first].map(([room, atMs]) => [room, atMs - offset]));
}
