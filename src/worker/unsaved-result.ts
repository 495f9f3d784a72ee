/**
 * Results that the ledger does not take: unsaved ones. The statistics come once, and the worker
 * may be killed or told to stop before the ledger is back. So a result is kept in the data of
 * its own job too, and whoever runs that next saves it first. Until then the process knows that
 * an attempt was sent of which the ledger does not: it may have acted.
 */
import { z } from 'zod';
import { outcomes, type Destruction, type Outcome } from '../destruction.js';
import type { RecordItem } from '../ledger/record.js';
import { orUndefined } from '../or-undefined.js';
import type { DestroyJob } from '../queue/job.js';
import type { LedgerWriter } from './ledger-writer.js';

/** The ledger did not take it before the worker had to stop. */
export interface UnsavedResult {
  kind: 'unsaved';
  reason: string;
  item: RecordItem;
}

export interface UnsavedResults {
  /** Whether an attempt of this destruction was sent, and the ledger has not taken its end. */
  has(destructionId: string): boolean;
  /** Saves the end of an attempt; its job keeps it while the ledger does not take it. */
  save(
    item: RecordItem,
    job: DestroyJob,
  ): Promise<{ kind: 'saved'; outcome: Outcome | undefined } | UnsavedResult>;
  /** Saves what an earlier run could not. @returns the outcome that stands, where there is one. */
  saveEarlier(destruction: Destruction, job: DestroyJob): Promise<Outcome | undefined>;
}

/** A result that the ledger does not take is written into its job after so long, in milliseconds. */
const keepEveryMs = 500;

export function createUnsavedResults(writer: Pick<LedgerWriter, 'record'>): UnsavedResults {
  const unsaved = new Set<string>();

  return {
    has: (destructionId) => unsaved.has(destructionId),

    async save(item, job) {
      unsaved.add(item.destructionId);
      let kept: Promise<boolean> | undefined;
      const keeping = setInterval(() => {
        kept ??= keepUnsaved(item, job).then((written) => {
          if (!written) kept = undefined;
          return written;
        });
      }, keepEveryMs);
      let outcome: Outcome | undefined;
      try {
        outcome = await writer.record(item);
      } catch {
        return { kind: 'unsaved', reason: 'the ledger did not take the result', item };
      } finally {
        clearInterval(keeping);
      }
      unsaved.delete(item.destructionId);
      if (await kept) await keepUnsaved(undefined, job);
      return { kind: 'saved', outcome };
    },

    async saveEarlier(destruction, job) {
      if (destruction.unsavedResult === undefined) return undefined;
      const item = readUnsaved(destruction.unsavedResult, destruction.id);
      if (item === undefined) return undefined;
      const outcome = await writer.record({ ...item, destruction });
      await keepUnsaved(undefined, job);
      return outcome;
    },
  };
}

/**
 * Writes a result into its job, so that it outlives this process; undefined takes it out.
 *
 * @returns false where the queue did not take it.
 */
export async function keepUnsaved(item: RecordItem | undefined, job: DestroyJob): Promise<boolean> {
  const data = { ...job.data };
  delete data.u;
  if (item !== undefined) data.u = writeUnsaved(item);
  return job.updateData(data).then(
    () => true,
    () => false,
  );
}

/** What the columns hold: a value that the ledger refuses would be tried for ever. */
const shortText = z
  .string()
  .max(1_000)
  // No text to Postgres.
  .refine((value) => !value.includes('\0'));
const text = shortText.optional();
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
      verdict: shortText,
      reason: shortText,
      mayHaveActed: z.boolean(),
      requestId: text,
      // Its 2,000 characters may be escaped, with six times as many.
      rawAnswer: z
        .string()
        .max(12_100)
        .refine((value) => !value.includes('\0'))
        .optional(),
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
  const parsed = stored.safeParse(orUndefined<unknown>(() => JSON.parse(json)));
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
      rawAnswer: attempt.rawAnswer,
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
