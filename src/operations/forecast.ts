/**
 * How long it takes, and when it is done. Pure: what waits ahead, the rate in force, and how
 * many requests a room costs, which ./look-ahead.ts reads.
 */
import { rounded } from '../text.js';

/** How fast the line goes, and what a room costs. */
export interface Pace {
  /** The rate in force, in requests per second; 0 where nothing moves. */
  ratePerSecond: number;
  /** What a braked line climbs back to. */
  fullRatePerSecond: number;
  /** Requests per second at which the API last said "over quota"; undefined: it never did. */
  overQuotaPerSecond?: number | undefined;
  /** 1 where each is done at the first attempt; retries, and slots that are lost, make it more. */
  requestsPerRoom: number;
  /** Why nothing moves at the moment. */
  held?: 'stopped' | 'paused' | 'waiting for the API' | undefined;
}

interface Work extends Omit<Pace, 'fullRatePerSecond'>, Partial<Pick<Pace, 'fullRatePerSecond'>> {
  /** Rooms still to be done that are served no later than the last one of interest, it included. */
  roomsAhead: number;
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

interface Look extends Pick<Work, 'roomsAhead' | 'ratePerSecond'> {
  nowMs: number;
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
  let looks: (Look & { slots: number })[] = [];
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

/** The full rate, as before anything was sent. */
export function fullPace(intervalMs: number): Pace {
  const full = 1000 / intervalMs;
  return { ratePerSecond: full, fullRatePerSecond: full, requestsPerRoom: 1 };
}

/** What stands before rooms that are not on the queue yet. */
export interface Outlook extends Pace {
  /** Rooms that wait or are in hand and go before the last of the new ones; undefined: not counted. */
  waitingAhead: number | undefined;
  /** Why it was not counted, where a queue is configured. */
  notCounted?: string;
  /** At most so many of the new rooms go in a second, whatever the line allows; undefined: as many as it allows. */
  mostPerSecond?: number | undefined;
}

export interface Forecast extends Pick<ForecastOptions, 'rooms' | 'outlook'> {
  /** How long what waits ahead takes by itself. */
  aheadSeconds: number;
  /** From the beginning to the last room: what is ahead then, and the rooms themselves. */
  seconds: number;
  beginsAtMs: number;
  /** Until it begins. */
  delaySeconds: number;
  doneAtMs: number;
  /** A deadline is a plan and no more: nothing is stopped because it passes. */
  deadline: { atMs: number; missedBySeconds: number | undefined } | undefined;
}

export interface ForecastOptions {
  rooms: number;
  outlook: Outlook;
  nowMs: number;
  /** When the rooms are due, in milliseconds since the epoch; default: now. */
  notBeforeMs?: number | undefined;
  /** When they should be done, in milliseconds since the epoch. */
  deadlineMs?: number | undefined;
}

/**
 * What waits goes first, at the rate in force, each room with as many requests as rooms
 * cost lately. Until a delayed run begins, the line works off what waits. Where the line is
 * held, it is the time from when it runs again. Rooms of which a snapshot is taken go no faster
 * than snapshots do.
 */
export function forecast(options: ForecastOptions): Forecast {
  const { rooms, outlook, nowMs, notBeforeMs, deadlineMs } = options;
  const secondsFor = (roomsAhead: number) => secondsLeft({ ...outlook, roomsAhead }) ?? 0;
  const ahead = outlook.waitingAhead ?? 0;
  const beginsAtMs = Math.max(nowMs, notBeforeMs ?? nowMs);
  // Together, and not one after the other: a brake climbs back only once.
  const delaySeconds = (beginsAtMs - nowMs) / 1000;
  const seconds = Math.max(
    secondsFor(ahead + rooms) - delaySeconds,
    secondsFor(rooms),
    rooms / (outlook.mostPerSecond ?? Infinity),
  );
  const doneAtMs = beginsAtMs + seconds * 1000;
  const lateSeconds = deadlineMs === undefined ? 0 : (doneAtMs - deadlineMs) / 1000;
  return {
    rooms,
    outlook,
    aheadSeconds: secondsFor(ahead),
    seconds,
    beginsAtMs,
    delaySeconds,
    doneAtMs,
    deadline:
      deadlineMs === undefined
        ? undefined
        : { atMs: deadlineMs, missedBySeconds: lateSeconds > 0 ? lateSeconds : undefined },
  };
}

/** The part of a preview's JSON that is about time: a contract with scripts. */
export function forecastToJson({ outlook, seconds, doneAtMs, deadline }: Forecast): object {
  const { waitingAhead } = outlook;
  return {
    seconds: rounded(seconds),
    ...(waitingAhead === undefined ? {} : { waitingAhead }),
    doneAt: new Date(doneAtMs).toISOString(),
    ...(deadline && {
      deadline: {
        at: new Date(deadline.atMs).toISOString(),
        missed: deadline.missedBySeconds !== undefined,
        ...(deadline.missedBySeconds === undefined
          ? {}
          : { missedBySeconds: rounded(deadline.missedBySeconds) }),
      },
    }),
  };
}

/** Rooms per second over the last few seconds. */
export function createRateMeter(spanMs = 5_000): (finished: number, now: number) => number {
  const samples: { at: number; finished: number }[] = [];
  return (finished, now) => {
    // The time before the first room is no work: it would make the rate look low for long.
    if (samples.length === 1 && samples[0]?.finished === finished) samples.length = 0;
    samples.push({ at: now, finished });
    while (samples.length > 2 && now - (samples[1]?.at ?? now) >= spanMs) samples.shift();
    const first = samples[0];
    if (first === undefined || now <= first.at) return 0;
    return ((finished - first.finished) * 1000) / (now - first.at);
  };
}
