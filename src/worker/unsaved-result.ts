/**
 * A result that the ledger could not take before the worker had to stop. The statistics
 * come once, so it is kept in the job's own data until the ledger takes it.
 */
import { z } from 'zod';
import { outcomes } from '../ledger/outcome.js';
import type { RecordItem } from '../ledger/record.js';

export class UnsavedResult extends Error {
  override readonly name = 'UnsavedResult';
  readonly item: RecordItem;

  constructor(item: RecordItem, cause: unknown) {
    super('the result could not be saved to the ledger', { cause });
    this.item = item;
  }
}

const text = z.string().max(1_000).optional();
const whole = z.int().optional();
const total = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt);

/** Anyone with access to the queue can write a job: what comes back is checked. */
const stored = z.object({
  destructionId: z.string(),
  attempt: z
    .object({
      attempt: z.int().positive(),
      sentAtMs: z.number().optional(),
      endedAtMs: z.number(),
      httpStatus: whole,
      errorCode: whole,
      verdict: z.string(),
      reason: z.string(),
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
      statistics: end.statistics,
    },
  };
}
