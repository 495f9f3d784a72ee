/**
 * The job contract: what a producer writes and a worker reads.
 *
 * A hundred thousand of these wait in Redis, so field names are short and nothing is
 * stored that the worker knows better (retries, backoff, retention) or that the job has
 * elsewhere (its timestamp). With deploy/redis.conf Redis rounds the size of a job up to a
 * multiple of 32 bytes: a few bytes more here can make every room 32 bytes larger.
 */
import type { Job, Queue, Worker } from 'bullmq';
import { z } from 'zod';
import type { Destruction } from '../destruction.js';
import { isRoomId } from '../room-id.js';

export const jobName = 'destroy';

/** The queue of one app. Its jobs and the line's state never mix with another app's. */
export function queueName(sdkAppId: number): string {
  return `room-reaper-${sdkAppId}`;
}

/**
 * Priorities of BullMQ: lower goes first; without one a job would go before all others.
 * The bulk lane is every priority from its own up: its batches share the line by turns
 * (src/queue/turns.ts).
 */
export const lanes = { urgent: 1, retry: 2, normal: 3, bulk: 4 } as const;

export type Lane = keyof typeof lanes;

/** Destruction ids are job ids: UUIDs, because BullMQ refuses integers and `:`. */
const id = z.string().regex(/^[0-9a-f-]{36}$/);

/** The 16 bytes of a UUID as base64url. */
const shortId = z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/);

/** No time of ours is later: the end of the years that every calendar, database and column writes with four digits. */
export const latestMs = Date.UTC(9999, 11, 31);

const roomId = z.string().refine(isRoomId);

const time = z.int().min(0).max(latestMs);

/** When something was asked for. BullMQ reads a timestamp that lost digits on the way as a small number. */
const asked = z
  .int()
  .min(Date.UTC(2020, 0, 1))
  .max(latestMs);

export const jobData = z.object({
  /** RoomId. */
  r: roomId.optional(),
  /**
   * RoomId, instead of `r`, where there is `g`: a worker of an earlier version, which would destroy
   * whatever room has the id by now, cannot read the job.
   */
  o: roomId.optional(),
  /** Nothing is sent later than so many milliseconds after it was asked for. */
  l: time.optional(),
  /** Not after, where that was changed: then it counts, not `l`. Milliseconds since the epoch. */
  n: time.optional(),
  /** Batch id, short; the whole one in jobs of earlier versions. */
  b: z.union([id, shortId]).optional(),
  /** Requested at, in jobs of earlier versions; now it is the job's own timestamp. */
  t: time.optional(),
  /** Due at, where it was brought forward, milliseconds since the epoch. */
  d: time.optional(),
  /** Only a room that was created by then, milliseconds since the epoch. */
  g: asked.optional(),
  /** Its statistics are read before it is destroyed. */
  s: z.literal(1).optional(),
  /** A result that the ledger could not take yet (src/worker/unsaved-result.ts). */
  u: z.string().max(19_000).optional(),
});

export type JobData = z.infer<typeof jobData>;

/** BullMQ's classes, with our data in them. */
export type DestroyJob = Job<JobData, void>;
export type DestroyQueue = Queue<JobData, void>;
export type DestroyWorker = Worker<JobData, void>;

/** Its time of request is not in it: that is the timestamp of the job. */
export function toJobData(destruction: Omit<Destruction, 'id'>): JobData {
  const data = {
    r: destruction.roomId,
    l: Math.max(0, destruction.notAfterMs - destruction.requestedAtMs),
    ...(destruction.batchId === undefined ? {} : { b: shorten(destruction.batchId) }),
    ...(destruction.snapshot === true ? { s: 1 as const } : {}),
    ...(destruction.unsavedResult === undefined ? {} : { u: destruction.unsavedResult }),
  };
  return withOnlyCreatedBefore(data, destruction.onlyCreatedBeforeMs);
}

/** The job of the same room, of which only one that was created by then is meant, or any. */
export function withOnlyCreatedBefore(data: JobData, atMs: number | undefined): JobData {
  const { g, o, r = o, ...rest } = data;
  if (g === atMs) return data;
  return atMs === undefined ? { ...rest, r } : { ...rest, o: r, g: atMs };
}

/**
 * Reads a job from the queue, which anyone with access to Redis can write. undefined: not
 * one of ours.
 *
 * @param timestamp - of the job, milliseconds since the epoch.
 */
export function readDestruction(
  jobId: string | undefined,
  data: unknown,
  timestamp: number,
): Destruction | undefined {
  const parsedId = id.safeParse(jobId);
  const parsed = jobData.safeParse(data);
  if (!parsedId.success || !parsed.success) return undefined;
  const roomId = parsed.data.r ?? parsed.data.o;
  if (roomId === undefined) return undefined;
  const requestedAtMs = asked.safeParse(parsed.data.t ?? timestamp);
  const notAfterMs = time.safeParse(notAfterOf(parsed.data, timestamp));
  if (!requestedAtMs.success || !notAfterMs.success) return undefined;
  return {
    id: parsedId.data,
    roomId,
    batchId: parsed.data.b === undefined ? undefined : lengthen(parsed.data.b),
    requestedAtMs: requestedAtMs.data,
    notAfterMs: notAfterMs.data,
    ...(parsed.data.g === undefined ? {} : { onlyCreatedBeforeMs: parsed.data.g }),
    ...(parsed.data.s === undefined ? {} : { snapshot: true }),
    ...(parsed.data.u === undefined ? {} : { unsavedResult: parsed.data.u }),
  };
}

/** Nothing is sent later. Milliseconds since the epoch; undefined: it does not say. */
export function notAfterOf(data: JobData, timestamp: number): number | undefined {
  return data.n ?? (data.l === undefined ? undefined : timestamp + data.l);
}

function shorten(uuid: string): string {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url');
}

function lengthen(batchId: string): string {
  if (batchId.length === 36) return batchId;
  const hex = Buffer.from(batchId, 'base64url').toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
