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
import { latestMs, type DestroyJob } from '../queue/job.js';
import type { LedgerWriter } from './ledger-writer.js';
import type { Seal } from './seal.js';

/** The ledger did not take it before the worker had to stop. */
export interface UnsavedResult {
  kind: 'unsaved';
  reason: string;
  item: RecordItem;
  /** The same, as its job keeps it. */
  sealed: string;
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

/** @param onForged - told of a result in a job that no worker with our key has written. */
export function createUnsavedResults(
  writer: Pick<LedgerWriter, 'record'>,
  seal: Seal,
  onForged: (destructionId: string) => void,
): UnsavedResults {
  const unsaved = new Set<string>();

  return {
    has: (destructionId) => unsaved.has(destructionId),

    async save(item, job) {
      unsaved.add(item.destructionId);
      const sealed = seal.seal(writeUnsaved(item));
      let kept: Promise<boolean> | undefined;
      const keeping = setInterval(() => {
        kept ??= keepUnsaved(sealed, job).then((written) => {
          if (!written) kept = undefined;
          return written;
        });
      }, keepEveryMs);
      let outcome: Outcome | undefined;
      try {
        outcome = await writer.record(item);
      } catch {
        return { kind: 'unsaved', reason: 'the ledger did not take the result', item, sealed };
      } finally {
        clearInterval(keeping);
      }
      unsaved.delete(item.destructionId);
      if (await kept) await keepUnsaved(undefined, job);
      return { kind: 'saved', outcome };
    },

    async saveEarlier(destruction, job) {
      if (destruction.unsavedResult === undefined) return undefined;
      const text = seal.open(destruction.unsavedResult);
      const item = text === undefined ? undefined : readUnsaved(text, destruction.id);
      if (item === undefined) {
        onForged(destruction.id);
        return undefined;
      }
      const outcome = await writer.record({ ...item, destruction });
      await keepUnsaved(undefined, job);
      return outcome;
    },
  };
}

/**
 * Writes a sealed result into its job, so that it outlives this process; undefined takes it out.
 *
 * @returns false where the queue did not take it.
 */
export async function keepUnsaved(sealed: string | undefined, job: DestroyJob): Promise<boolean> {
  const data = { ...job.data };
  delete data.u;
  if (sealed !== undefined) data.u = sealed;
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
const instant = z.number().min(0).max(latestMs);
const total = z
  .string()
  .regex(/^\d{1,19}$/)
  .transform(BigInt)
  .refine((value) => value < 2n ** 63n);

/** Anyone with access to the queue can write a job: what comes back is checked, although it is sealed. */
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
