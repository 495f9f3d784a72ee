/**
 * The job contract: what a producer writes and a worker reads.
 *
 * A hundred thousand of these wait in Redis, so field names are short and nothing is
 * stored that the worker knows better (retries, backoff, retention).
 */
import { z } from 'zod';

/** RoomId: 1–48 bytes of printable ASCII; spaces and `:` are legal. Source: https://trtc.io/document/60027 */
const roomIdRule = /^[\x20-\x7e]{1,48}$/;

export const jobName = 'destroy';

/** The queue of one app. Its jobs and the line's state never mix with another app's. */
export function queueName(sdkAppId: number): string {
  return `room-reaper-${sdkAppId}`;
}

/** Priorities of BullMQ: lower goes first; without one a job would go before all others. */
export const lanes = { urgent: 1, retry: 2, normal: 3, bulk: 4 } as const;

export type Lane = keyof typeof lanes;

/** Destruction ids are job ids: UUIDs, because BullMQ refuses integers and `:`. */
const id = z.string().regex(/^[0-9a-f-]{36}$/);

export const jobData = z.object({
  /** RoomId. */
  r: z.string().regex(roomIdRule),
  /** Requested at, milliseconds since the epoch. */
  t: z.int().nonnegative(),
  /** Not after: nothing is sent later, milliseconds since the epoch. */
  n: z.int().nonnegative(),
  /** Batch id. */
  b: id.optional(),
  /** Due at, where it was brought forward, milliseconds since the epoch. */
  d: z.int().nonnegative().optional(),
  /** A result that the ledger could not take yet (src/worker/unsaved-result.ts). */
  u: z.string().max(10_000).optional(),
});

export type JobData = z.infer<typeof jobData>;

export interface Destruction {
  id: string;
  roomId: string;
  batchId: string | undefined;
  requestedAtMs: number;
  notAfterMs: number;
  /** A result of an earlier run that is not in the ledger yet. */
  unsavedResult?: string;
}

export function toJobData(destruction: Omit<Destruction, 'id'>): JobData {
  return {
    r: destruction.roomId,
    t: destruction.requestedAtMs,
    n: destruction.notAfterMs,
    ...(destruction.batchId === undefined ? {} : { b: destruction.batchId }),
  };
}

/** Reads a job from the queue, which anyone with access to Redis can write. undefined: not one of ours. */
export function readDestruction(jobId: string | undefined, data: unknown): Destruction | undefined {
  const parsedId = id.safeParse(jobId);
  const parsed = jobData.safeParse(data);
  if (!parsedId.success || !parsed.success) return undefined;
  return {
    id: parsedId.data,
    roomId: parsed.data.r,
    batchId: parsed.data.b,
    requestedAtMs: parsed.data.t,
    notAfterMs: parsed.data.n,
    ...(parsed.data.u === undefined ? {} : { unsavedResult: parsed.data.u }),
  };
}
