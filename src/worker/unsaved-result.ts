/**
 * A result that the ledger could not take before the worker had to stop. The statistics
 * come once, so it is kept in the job's own data until the ledger takes it.
 */
import { z } from 'zod';
import { outcomes } from '../destruction.js';
import type { RecordItem } from '../ledger/record.js';

export class UnsavedResult extends Error {
  override readonly name = 'UnsavedResult';
  readonly item: RecordItem;

  constructor(item: RecordItem, cause: unknown) {
    super('the result could not be saved to the ledger', { cause });
    this.item = item;
  }
}

/** What the columns hold: a value that the ledger refuses would be tried for ever. */
const line = z
  .string()
  .max(1_000)
  // No text to Postgres.
  .refine((value) => !value.includes('\0'));
const text = line.optional();
const whole = z.int32().optional();
const instant = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const total = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt)
  .refine((value) => value < 2n ** 63n);

/** Anyone with access to the queue can write a job: what comes back is checked. */
const stored = z.object({
  destructionId: z.string(),
  attempt: z
    .object({
      attempt: z.int32().positive(),
      sentAtMs: instant.optional(),
      endedAtMs: instant,
      httpStatus: whole,
      errorCode: whole,
      verdict: line,
      reason: line,
      mayHaveActed: z.boolean(),
      requestId: text,
    })
    .optional(),
  end: z
    .object({
      outcome: z.enum(outcomes),
      errorCode: whole,
      errorInfo: text,
      requestId: text,
      statistics: z
        .object({
          totalViewers: total,
          totalGiftsSent: total,
          totalGiftCoins: total,
          totalUniqueGiftSenders: total,
          totalLikesReceived: total,
        })
        .optional(),
    })
    // Without them it would say that unknown is known.
    .refine(({ outcome, statistics }) => outcome !== 'destroyed' || statistics !== undefined)
    .optional(),
});

export function writeUnsaved(item: RecordItem): string {
  const { destructionId, attempt, end } = item;
  return JSON.stringify({ destructionId, attempt, end }, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** undefined: not one of ours, or of another destruction. */
export function readUnsaved(json: string, destructionId: string): RecordItem | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const parsed = stored.safeParse(value);
  if (!parsed.success || parsed.data.destructionId !== destructionId) return undefined;
  const { attempt, end } = parsed.data;
  return {
    destructionId,
    attempt: attempt && {
      ...attempt,
      sentAtMs: attempt.sentAtMs,
      httpStatus: attempt.httpStatus,
      errorCode: attempt.errorCode,
      requestId: attempt.requestId,
    },
    end: end && {
      ...end,
      errorCode: end.errorCode,
      errorInfo: end.errorInfo,
      requestId: end.requestId,
      statistics: end.outcome === 'destroyed' ? end.statistics : undefined,
    },
  };
}
