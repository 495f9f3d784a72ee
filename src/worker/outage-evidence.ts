/**
 * Is the API out, or is it about single rooms? Pure.
 *
 * Failures in a row, with no good answer between them, are evidence. A request that never
 * reached the API says nothing about its room, so each one counts. One that the API failed
 * may be the room's own trouble, so it counts once for its room, and only where the room is
 * in its first run: at the end of a list, the rooms that keep failing are the only ones left.
 */

/** So many requests that never left, or so many rooms that failed: more than chance. */
const unsentForSuspicion = 3;
const roomsForSuspicion = 10;

/**
 * And for so long: connections that are reset all at once are no outage, and neither are rooms
 * that all fail their first attempts. In milliseconds.
 */
const provenAfterMs = 1_500;

/** What failed so long before is no evidence of now, in milliseconds. */
const forgottenAfterMs = 30_000;

export interface Failure {
  destructionId: string;
  /** Whether its room is in its first run. */
  fresh: boolean;
  /** Whether the request never reached the API. */
  unsent: boolean;
}

export function createOutageEvidence() {
  const rooms = new Set<string>();
  let unsent = 0;
  let since: number | undefined;
  let lastAt = Number.NEGATIVE_INFINITY;

  function forget(): void {
    rooms.clear();
    unsent = 0;
    since = undefined;
  }

  const suspected = () => rooms.size >= roomsForSuspicion || unsent >= unsentForSuspicion;
  return {
    /** A request failed, or is long overdue, at this instant (milliseconds, of any clock). */
    failed(failure: Failure, now: number): void {
      if (now - lastAt > forgottenAfterMs) forget();
      lastAt = now;
      since ??= now;
      if (failure.unsent) unsent += 1;
      else if (failure.fresh && rooms.size < roomsForSuspicion) rooms.add(failure.destructionId);
    },
    /** The API gave a good answer, or the line was found to run. */
    worked: forget,
    /** Failures are probably not the fault of their rooms: they spend no retry. */
    get suspected() {
      return suspected();
    },
    /** The API is out, as far as this process can see. */
    proven: (now: number) => suspected() && since !== undefined && now - since >= provenAfterMs,
  };
}
