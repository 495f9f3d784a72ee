/**
 * The body of a reply, checked.
 * Source: https://trtc.io/document/63398 and the page of `destroy_room`; the page of
 * 2024 had no `Response` on success, so its absence is legal.
 *
 * The room is gone by then and the statistics come once, so what can be read without doubt is
 * read: numbers in text, a BOM, bytes behind the JSON. What is in doubt is not guessed but kept
 * as it came.
 */
import { parse as parseLossless } from 'lossless-json';
import { z } from 'zod';
import { printable } from '../redact.js';
import type { Statistics } from '../destruction.js';
import type { Answer } from './answer.js';
import type { Hide } from './user-sig.js';

/** What only people read: another type must not cost the statistics beside it. */
const forPeople = z.string().optional().catch(undefined);

const reply = z.object({
  ErrorCode: z
    .union([
      z.int(),
      z
        .string()
        .regex(/^\s*-?\d{1,10}\s*$/)
        .transform(Number),
    ])
    .pipe(z.int32()),
  ErrorInfo: forPeople,
  ActionStatus: forPeople,
  RequestId: forPeople,
  Response: z.unknown().optional(),
});

/** A whole number, not negative, also in text. */
export const total = z
  .union([z.int().transform(BigInt), z.bigint(), z.string().transform(wholeNumber)])
  // What a bigint column holds.
  .refine((value): value is bigint => value !== undefined && value >= 0n && value < 2n ** 63n);

const totals = z.object({
  TotalViewers: total,
  TotalGiftsSent: total,
  TotalGiftCoins: total,
  TotalUniqueGiftSenders: total,
  TotalLikesReceived: total,
});

const response = z.object({ Statistic: z.unknown() });

const documentedFields = ['ErrorCode', 'ErrorInfo', 'ActionStatus', 'RequestId'];

/** Longest ErrorInfo or RequestId kept, in characters. */
const maximumText = 500;

/** Longest body kept of a reply that could not be read, in characters. */
const maximumRaw = 2_000;

/**
 * Reads the body of a reply. A body of another shape is an answer too, not an error.
 *
 * @param hide - takes the signature out of a text: whatever answers may repeat it.
 */
export function readReply(httpStatus: number, body: string, hide: Hide = (text) => text): Answer {
  const value = parseBody(body);
  const parsed = reply.safeParse(value);
  if (!parsed.success) return { kind: 'unreadable', httpStatus, ...rawOf(body, hide) };
  const { ErrorCode, ErrorInfo = '', ActionStatus, RequestId, Response } = parsed.data;
  const statistics = readStatistics(Response);
  const isContradictory =
    ErrorCode === 0 && ActionStatus !== undefined && /^\s*fail/i.test(ActionStatus);
  // A success that says nothing more, as the API of 2024 answered, hides no statistics.
  const isUnderstood =
    ErrorCode !== 0 ||
    (statistics === undefined
      ? Object.keys(value as object).every((name) => documentedFields.includes(name))
      : !isContradictory);
  return {
    kind: 'reply',
    httpStatus,
    // Without the minus of a -0.
    errorCode: ErrorCode + 0,
    errorInfo: storable(ErrorInfo, hide),
    requestId: RequestId === undefined ? undefined : storable(RequestId, hide),
    ...(isContradictory ? { isContradictory } : {}),
    statistics,
    ...(Response === undefined ? {} : { response: Response }),
    ...(isUnderstood ? {} : rawOf(body, hide)),
  };
}

/** Whether it begins as a JSON object and ends before its end. */
export function isCutShort(body: string): boolean {
  const text = body.replace(padding, '');
  return text.startsWith('{') && endOfObject(text) === undefined;
}

/** A body, or what has come of one, for the record. */
export function rawOf(body: string, hide: Hide): { raw?: string } {
  return body === '' ? {} : { raw: storable(body, hide, maximumRaw) };
}

/**
 * Text from outside, fit for a log line and a column: a NUL would make Postgres refuse the row.
 * The signature goes first: of one that is cut, nothing would be recognized.
 */
function storable(text: string, hide: Hide, maximum = maximumText): string {
  return text === '' ? '' : printable(hide(text), maximum);
}

function readStatistics(value: unknown): Statistics | undefined {
  return readTotals(response.safeParse(value).data?.Statistic);
}

/** The five totals of a room. undefined: one is missing, negative or no whole number. */
export function readTotals(value: unknown): Statistics | undefined {
  const { data } = totals.safeParse(value);
  return (
    data && {
      totalViewers: data.TotalViewers,
      totalGiftsSent: data.TotalGiftsSent,
      totalGiftCoins: data.TotalGiftCoins,
      totalUniqueGiftSenders: data.TotalUniqueGiftSenders,
      totalLikesReceived: data.TotalLikesReceived,
    }
  );
}

/** A BOM, blanks and zeros before the JSON mean nothing. */
const padding = /^[\s\0\ufeff]+/;

/** With whole numbers beyond 2⁵³ as exact bigints. undefined: not JSON. */
export function parseBody(body: string): unknown {
  const whole = parseExactly(body);
  if (whole !== undefined) return whole;
  const text = body.replace(padding, '');
  const end = text.startsWith('{') ? endOfObject(text) : undefined;
  // A second object behind the first could say something else.
  if (end === undefined || text.includes('{', end)) return undefined;
  return parseExactly(text.slice(0, end));
}

/** Where the object ends that `text` begins with; undefined: not in this text. */
function endOfObject(text: string): number | undefined {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') isString = !isString;
    else if (isString && character === '\\') at += 1;
    else if (!isString && character === '{') depth += 1;
    else if (!isString && character === '}') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return undefined;
}

/** JSON.parse, except that whole numbers beyond 2⁵³ come as exact bigints. undefined: not JSON. */
function parseExactly(text: string): unknown {
  try {
    // Sixteen digits in a row are what it takes to leave the safe range; most bodies have none.
    if (!/[\d.]{16}/.test(text)) return JSON.parse(text);
    return parseLossless(text, undefined, (digits) => {
      // No number that is read here may have a fraction.
      const exact = wholeNumber(digits) ?? Number.NaN;
      return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
    });
  } catch {
    return undefined;
  }
}

/** More than any number of a total is moved by. */
const largestExponent = 30;

/** Exactly what a decimal number means, where it is whole: `7`, `7.0`, `1.2e3`. */
function wholeNumber(text: string): bigint | undefined {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^\s*(-?)(\d{1,40})(?:\.(\d{0,40}))?(?:e([+-]?\d{1,3}))?\s*$/i.exec(text) ?? [];
  const shift = Number(exponent) - fraction.length;
  if (whole === undefined || Math.abs(Number(exponent)) > largestExponent) return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const scale = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % scale !== 0n) return undefined;
  const value = shift < 0 ? digits / scale : digits * scale;
  return sign === '-' ? -value : value;
}
