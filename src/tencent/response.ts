/**
 * The body of a reply, checked.
 * Source: https://trtc.io/document/63398 and the page of `destroy_room`; the page of
 * 2024 had no `Response` on success, so its absence is legal.
 */
import { parse as parseLossless } from 'lossless-json';
import { z } from 'zod';
import { printable } from '../redact.js';
import type { Statistics } from '../destruction.js';
import type { Answer } from './answer.js';

const reply = z.object({
  ErrorCode: z.int32(),
  // Of these two nothing depends: another type must not cost the statistics beside them.
  ErrorInfo: z.string().optional().catch(undefined),
  RequestId: z.string().optional().catch(undefined),
  Response: z.unknown().optional(),
});

const total = z
  .union([z.int(), z.bigint()])
  .transform(BigInt)
  // What a bigint column holds.
  .refine((value) => value >= 0n && value < 2n ** 63n);

const response = z.object({
  Statistic: z.object({
    TotalViewers: total,
    TotalGiftsSent: total,
    TotalGiftCoins: total,
    TotalUniqueGiftSenders: total,
    TotalLikesReceived: total,
  }),
});

/** Longest ErrorInfo or RequestId kept, in characters. */
const maximumText = 500;

/** Reads the body of a reply. A body of another shape is an answer too, not an error. */
export function readReply(httpStatus: number, body: string): Answer {
  const parsed = reply.safeParse(parseExactly(body));
  if (!parsed.success) return { kind: 'unreadable', httpStatus };
  return {
    kind: 'reply',
    httpStatus,
    errorCode: parsed.data.ErrorCode,
    errorInfo: storable(parsed.data.ErrorInfo ?? ''),
    requestId: parsed.data.RequestId === undefined ? undefined : storable(parsed.data.RequestId),
    statistics: readStatistics(parsed.data.Response),
  };
}

/**
 * Text from outside, fit for a log line and a column: a NUL would make Postgres refuse the row,
 * and whatever answers may repeat the URL with the signature in it.
 */
function storable(text: string): string {
  return printable(text.replace(/(usersig=)[^&\s"'<>]*/gi, '$1…'), maximumText);
}

function readStatistics(value: unknown): Statistics | undefined {
  const parsed = response.safeParse(value);
  if (!parsed.success) return undefined;
  const { Statistic } = parsed.data;
  return {
    totalViewers: Statistic.TotalViewers,
    totalGiftsSent: Statistic.TotalGiftsSent,
    totalGiftCoins: Statistic.TotalGiftCoins,
    totalUniqueGiftSenders: Statistic.TotalUniqueGiftSenders,
    totalLikesReceived: Statistic.TotalLikesReceived,
  };
}

/** JSON.parse, except that whole numbers beyond 2⁵³ come as exact bigints. undefined: not JSON. */
function parseExactly(body: string): unknown {
  try {
    // Sixteen digits in a row are what it takes to leave the safe range; most bodies have none.
    if (!/\d{16}/.test(body)) return JSON.parse(body);
    return parseLossless(body, undefined, (text) => {
      const value = Number(text);
      return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text);
    });
  } catch {
    return undefined;
  }
}
