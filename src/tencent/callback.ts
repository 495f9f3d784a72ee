/**
 * What the API tells by itself, by a POST to the one URL that an app may set.
 * Source: https://trtc.io/document/64423 (the end of a room), https://trtc.io/document/64412 (its
 * signature). Neither says how long it waits for an answer, nor whether it tries again.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { RoomEvent } from '../destruction.js';
import { printable } from '../redact.js';
import { roomIdProblem } from '../room-id.js';
import { parseBody, readTotals, total } from './response.js';

/** A room has ended, by whomever. */
export const roomEnded = 'Live.CallbackAfterDestroyRoom';

/** How far the time in a signature may be from ours, in seconds. */
const longestAge = 60;

/**
 * Whether the API made a request: its `Sign` is the SHA-256, in hex, of token and `RequestTime`,
 * which is a moment ago.
 *
 * @param token - as set in the console of the app.
 */
export function isSigned(
  { sign, requestTime }: { sign: string; requestTime: string },
  token: string,
  nowMs: number,
): boolean {
  if (!/^[0-9a-f]{64}$/i.test(sign) || !/^\d{1,12}$/.test(requestTime)) return false;
  if (Math.abs(Math.floor(nowMs / 1000) - Number(requestTime)) > longestAge) return false;
  const expected = createHash('sha256')
    .update(token + requestTime)
    .digest();
  return timingSafeEqual(Buffer.from(sign, 'hex'), expected);
}

export type Callback =
  | { kind: 'room_ended'; event: RoomEvent }
  /** It tells of something else. */
  | { kind: 'other' }
  /** It is not what the documentation says; why, in words. */
  | { kind: 'unreadable'; problem: string };

/** Numbers may come as text and text as numbers: what is meant is beyond doubt. */
const text = z.union([z.string(), z.int().transform(String), z.bigint().transform(String)]);

const body = z.object({
  CallbackCommand: z.string().optional().catch(undefined),
  RoomId: text.optional().catch(undefined),
  EventTime: total.optional().catch(undefined),
  EventType: z.string().optional().catch(undefined),
  Operator_Account: text.optional().catch(undefined),
  Statistic: z.unknown().optional(),
});

/** Longest account that is kept, in characters. */
const longestAccount = 200;

/** The years 2001 to 2286: what is earlier is in seconds, and what is later in less than milliseconds. */
const [earliestMs, latestMs] = [1e12, 1e13];

/**
 * Reads the body of a callback.
 *
 * @param command - of the query, where it is there; else that of the body counts.
 */
export function readCallback(content: string, command: string | undefined): Callback {
  if (command !== undefined && command !== roomEnded) return { kind: 'other' };
  const parsed = body.safeParse(parseBody(content));
  if (!parsed.success) return unreadable('the body must be a JSON object');
  const { CallbackCommand, RoomId = '', EventTime, EventType, Operator_Account } = parsed.data;
  if ((command ?? CallbackCommand) !== roomEnded) return { kind: 'other' };
  const problem = roomIdProblem(RoomId);
  if (problem !== undefined) return unreadable(problem);
  const endedAtMs = Number(EventTime ?? 0);
  if (endedAtMs < earliestMs || endedAtMs >= latestMs)
    return unreadable('EventTime must be when the room ended, in milliseconds since 1970');
  const operator = Operator_Account && printable(Operator_Account, longestAccount);
  const isBySystem = /system/i.test(EventType ?? (operator ? '' : 'system'));
  return {
    kind: 'room_ended',
    event: {
      ...{ roomId: RoomId, endedAtMs, endedBy: isBySystem ? 'system' : 'user', operator },
      statistics: readTotals(parsed.data.Statistic),
    },
  };
}

function unreadable(problem: string): Callback {
  return { kind: 'unreadable', problem };
}
