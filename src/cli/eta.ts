/**
 * How long it takes. Pure: what waits ahead, the rate in force, and how many requests a
 * room costs.
 */

export interface Work {
  /** Rooms still to be done that are served no later than the last one of interest, it included. */
  roomsAhead: number;
  /** The rate in force, in requests per second; 0 where the line is stopped or paused. */
  ratePerSecond: number;
  /** What a braked line climbs back to; default: the rate in force stays. */
  fullRatePerSecond?: number;
  /** Requests per second at which the API last said "over quota"; undefined: it never did. */
  overQuotaPerSecond?: number | undefined;
  /** 1 where each is done at the first attempt; retries, and slots that are lost, make it more. */
  requestsPerRoom: number;
}

/** undefined: nothing moves, so nobody knows. */
export function secondsLeft({
  roomsAhead,
  ratePerSecond,
  fullRatePerSecond = ratePerSecond,
  overQuotaPerSecond = 0,
  requestsPerRoom,
}: Work): number | undefined {
  if (roomsAhead <= 0) return 0;
  if (ratePerSecond <= 0) return undefined;
  let requests = roomsAhead * requestsPerRoom;
  let rate = ratePerSecond;
  let seconds = 0;
  for (const part of climb(overQuotaPerSecond, fullRatePerSecond)) {
    if (rate >= part.upTo) continue;
    const partSeconds = (part.upTo - rate) / part.perSecond;
    const sent = (partSeconds * (rate + part.upTo)) / 2;
    if (requests <= sent) {
      return (
        seconds + (Math.sqrt(rate ** 2 + 2 * part.perSecond * requests) - rate) / part.perSecond
      );
    }
    requests -= sent;
    seconds += partSeconds;
    rate = part.upTo;
  }
  return seconds + requests / rate;
}

/** How a braked line climbs back: room_reaper.interval_in_force, part by part. */
function climb(overQuota: number, full: number): { upTo: number; perSecond: number }[] {
  return [
    { upTo: Math.min(full, 0.9 * overQuota), perSecond: 0.2 * overQuota },
    { upTo: Math.min(full, 1.1 * overQuota), perSecond: 0.01 * overQuota },
    { upTo: full, perSecond: 0.05 * full },
  ];
}

export interface Look {
  nowMs: number;
  roomsAhead: number;
  ratePerSecond: number;
}

/** Looks older than this are forgotten, in milliseconds: what costs more now is seen in a minute. */
const spanMs = 60_000;

/** Before this much was seen a single slow answer would count for too much. */
const firstJudgedMs = 5_000;
const firstJudgedRooms = 100;

/** A line that is idle for reasons of its own must not make the rest look endless. */
const mostPerRoom = 20;

/**
 * Learns what a room costs from how many slots went by while the rooms ahead became fewer.
 * That holds retries of every kind, slots that nobody could use, and rooms that were put in
 * front meanwhile: whatever it was that kept the line from doing a room a slot, it is
 * expected to go on.
 *
 * The time before the first room has ended is not counted: workers start, and a new line
 * stays empty for a second.
 */
export function createCostMeter(): (look: Look) => number {
  /** `slots`: how many went by since the meter began. */
  let looks: { nowMs: number; roomsAhead: number; slots: number; ratePerSecond: number }[] = [];
  return ({ nowMs, roomsAhead, ratePerSecond }) => {
    const newest = looks.at(-1);
    const slots =
      newest === undefined
        ? 0
        : newest.slots + (newest.ratePerSecond * (nowMs - newest.nowMs)) / 1000;
    if (looks.length === 1 && newest !== undefined && roomsAhead >= newest.roomsAhead) looks = [];
    looks.push({ nowMs, roomsAhead, slots, ratePerSecond });
    while (looks.length > 2 && nowMs - (looks[1]?.nowMs ?? nowMs) >= spanMs) looks.shift();
    const first = looks[0];
    if (first === undefined) return 1;
    const done = first.roomsAhead - roomsAhead;
    if (nowMs - first.nowMs < firstJudgedMs || done < firstJudgedRooms) return 1;
    return Math.min(mostPerRoom, Math.max(1, (slots - first.slots) / done));
  };
}
