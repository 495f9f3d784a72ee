/** Putting destructions on the queue. */
import type { JobsOptions } from 'bullmq';
import type { Destruction, Precautions } from '../destruction.js';
import {
  type DestroyJob,
  type DestroyQueue,
  type JobData,
  type Lane,
  jobName,
  lanes,
  notAfterOf,
  readDestruction,
  toJobData,
  withOnlyCreatedBefore,
} from '../queue/job.js';
import { ReaperError } from '../errors.js';
import type { ManyJobs } from '../queue/many-jobs.js';
import type { OpenQueue } from '../queue/open.js';
import { isFull, refusalReason } from '../queue/refusal.js';
import { laneOf } from '../queue/turns.js';

export interface Added {
  roomId: string;
  /** The destruction that will destroy the room: a new one, or the one that was pending already. */
  destructionId: string;
  /** `added`: a new destruction. `pending`: one for this room was waiting or in hand already. */
  status: 'added' | 'pending';
}

export interface Placement {
  lane: Extract<Lane, 'urgent' | 'normal' | 'bulk'>;
  /** Milliseconds from now. */
  delayMs: number;
}

/**
 * Destructions in one call. BullMQ's advice is 500–1,000, but what is under way is garbage that
 * outlives a young collection: with fewer, enqueuing takes 30 MB less, and no more time. One call is
 * encoded at once, and a service that answers others meanwhile holds them up for so long.
 */
export const addChunk = 100;

/**
 * Adds up to {@link addChunk} destructions in one call. Safe to repeat with the same ids.
 *
 * @param priorityOf - the BullMQ priority of each, by its index; default: that of the lane, for a single room, which takes no turns.
 * @throws ReaperError `UNAVAILABLE` where the queue does not take them, `NO_SPACE` where Redis is full; some may be on it.
 *
 * A room that has a pending destruction is not added again: BullMQ keeps its RoomId as
 * deduplication id until that job has completed or failed for good.
 */
export async function addDestructions(
  queue: DestroyQueue,
  destructions: readonly Destruction[],
  placement: Placement,
  priorityOf: (index: number) => number = () => lanes[placement.lane],
): Promise<Added[]> {
  if (destructions.length === 0) return [];
  const jobs = await addUntilAnswered(
    queue,
    destructions.map((destruction, index) => ({
      name: jobName,
      data: toJobData(destruction),
      opts: jobOptions(destruction, placement, priorityOf(index)),
    })),
  );
  return destructions.map((destruction, index) => {
    const id = jobs[index]?.id ?? destruction.id;
    return {
      roomId: destruction.roomId,
      destructionId: id,
      status: id === destruction.id ? 'added' : 'pending',
    };
  });
}

/** A destruction that is wanted, and how early. */
export interface Wish {
  destruction: Destruction;
  priority: number;
}

/** Of rooms that are pending already. */
export interface BroughtForward {
  /** How many are due earlier than asked for now, and stay so. */
  dueEarlier: number;
  /** How many go, or are due, sooner than before. */
  moved: number;
}

interface JoinOptions {
  /** Told of rooms that are pending already, before they are brought forward. */
  onJoined?: ((joined: readonly Added[]) => Promise<void>) | undefined;
  /** What waits already is left where it is. */
  leaveWaiting?: boolean;
}

/** Adds destructions; those of rooms that are pending already are brought forward instead. */
export async function addOrJoin(
  { queue, jobs }: Pick<OpenQueue, 'queue' | 'jobs'>,
  wishes: readonly Wish[],
  placement: Placement,
  { onJoined, leaveWaiting = false }: JoinOptions = {},
): Promise<{ added: Added[] } & BroughtForward> {
  const add = (some: readonly Wish[]) =>
    addDestructions(
      queue,
      some.map(({ destruction }) => destruction),
      placement,
      (index) => some[index]?.priority ?? lanes[placement.lane],
    );
  const added = await add(wishes);
  const isPending = (index: number) => added[index]?.status === 'pending';
  const indexes = [...wishes.keys()];
  const freed = await fromQueue(
    freeLostRooms(
      queue,
      jobs,
      added.filter((_, at) => isPending(at)),
    ),
  );
  const missing = indexes.filter(
    (at) => isPending(at) && freed.has(added[at]?.destructionId ?? ''),
  );
  const anew = await add(missing.flatMap((at) => wishes[at] ?? []));
  for (const [position, at] of missing.entries()) {
    const now = anew[position];
    if (now !== undefined) added[at] = now;
  }
  const joined = added.filter((_, index) => isPending(index));
  if (joined.length === 0) return { added, dueEarlier: 0, moved: 0 };
  await onJoined?.(joined);
  if (leaveWaiting) return { added, dueEarlier: 0, moved: 0 };
  const standing = await readJobs(
    queue,
    joined.map((each) => each.destructionId),
  );
  const again = wishes.filter((_, index) => isPending(index));
  return { added, ...(await bringAllForward(standing, again, placement.delayMs)) };
}

/**
 * A room stays taken by a job that was evicted, deleted by hand, or failed when it could not be
 * read any more: nothing will ever free it. A job that has just ended freed its room itself.
 *
 * @returns ids of the jobs whose rooms can be asked for again.
 */
async function freeLostRooms(
  queue: DestroyQueue,
  jobs: ManyJobs,
  pending: readonly Added[],
): Promise<Set<string>> {
  const lost = await jobs.lost(pending.map((each) => each.destructionId));
  const freed = new Set<string>();
  for (const { roomId, destructionId: id } of pending) {
    if (!lost.has(id)) continue;
    if (await queue.getBackend().removeDeduplicationKey(roomId, id)) freed.add(id);
  }
  await jobs.remove([...freed].filter((id) => lost.get(id) === 'nowhere'));
  return freed;
}

/**
 * What waits from before is asked for again: it is due now, and may take its time anew.
 *
 * @param jobs - by the index of the wish; undefined where there is none.
 */
export async function bringAllForward(
  jobs: readonly (DestroyJob | undefined)[],
  wishes: readonly Wish[],
  delayMs: number,
): Promise<BroughtForward> {
  const all = await Promise.all(
    wishes.map(async ({ destruction, priority }, index) => {
      const job = jobs[index];
      return job && (await bringForward(job, priority, delayMs, destruction));
    }),
  );
  const count = (outcome: 'earlier' | 'moved') => all.filter((each) => each === outcome).length;
  return { dueEarlier: count('earlier'), moved: count('moved') };
}

/** How often a call is made whose connection broke before its answer. */
const addTries = 10;

/**
 * ioredis sends again what a broken connection left without an answer, but gives up a group of
 * commands that was answered in part. With the same ids it may be sent again.
 */
async function addUntilAnswered(
  queue: DestroyQueue,
  jobs: Parameters<DestroyQueue['addBulk']>[0],
): Promise<DestroyJob[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await queue.addBulk(jobs);
    } catch (error) {
      const brokenOff = error instanceof Error && /aborted due to/.test(error.message);
      if (!brokenOff || tries === addTries) throw notTaken(error);
    }
  }
}

/** Says of a queue that fails while rooms are added what that means for them. */
export async function fromQueue<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw notTaken(error);
  }
}

function jobOptions(destruction: Destruction, placement: Placement, priority: number): JobsOptions {
  return {
    jobId: destruction.id,
    timestamp: destruction.requestedAtMs,
    priority,
    deduplication: { id: destruction.roomId },
    ...(placement.delayMs > 0 ? { delay: placement.delayMs } : {}),
  };
}

/** What is on the queue under these ids; undefined where nothing is. */
export function readJobs(
  queue: DestroyQueue,
  ids: readonly string[],
): Promise<(DestroyJob | undefined)[]> {
  // The questions go out together and share their round trips.
  const jobs = ids.map((id) => queue.getJob(id) as Promise<DestroyJob | undefined>);
  return fromQueue(Promise.all(jobs));
}

/** A deadline that is later by less than this is not worth a write, in milliseconds. */
const deadlineSlackMs = 60_000;

/** What is due earlier by less than this is due when it was asked for, in milliseconds. */
const dueSlackMs = 60_000;

/** Nor is a turn that comes sooner by less than this many. */
const turnSlack = 4;

/**
 * Brings a pending destruction forward where the new request is more urgent, or due
 * sooner, and gives it the new request's deadline where that is later. Its precautions
 * become those of both, so that each gets what it asked for. Asks the queue nothing where
 * there is nothing to change.
 *
 * @throws ReaperError `UNAVAILABLE` where the queue cannot be asked, `NO_SPACE` where Redis is full; ask again.
 * @param priority - what the new request would have given it.
 * @param wanted - what the new request asks for.
 * @returns `earlier` where it is due before the new request asks for: nothing is put off; `moved` where
 *   it goes, or is due, sooner than before.
 */
export async function bringForward(
  job: DestroyJob,
  priority: number,
  delayMs: number,
  wanted: Pick<Destruction, 'notAfterMs' | keyof Precautions>,
): Promise<'earlier' | 'moved' | 'left'> {
  // Written back as it was read, its room would be lost for good.
  if (readDestruction(job.id, job.data, job.timestamp) === undefined)
    throw notTaken(new Error('what it says of a room that waits cannot be read'));
  let moved = goesBefore(priority, job.priority);
  if (moved) await changePending(() => job.changePriority({ priority }));
  const data = withPrecautionsOfBoth(job.data, wanted);
  const standing = notAfterOf(data, job.timestamp) ?? 0;
  if (wanted.notAfterMs > standing + deadlineSlackMs) data.n = wanted.notAfterMs;
  // A job without a delay waits or is in hand. One with a delay may be taken up this very
  // moment: then there is nothing to bring forward.
  let standingDueMs = 0;
  if (job.delay > 0 && (await changePending(() => job.isDelayed()))) {
    const dueAtMs = Date.now() + delayMs;
    // A later retry is left alone: when it is due cannot be read here, and it is soon.
    if (job.attemptsMade === 0) standingDueMs = data.d ?? job.timestamp + job.delay;
    if (delayMs === 0) {
      await changePending(() => job.promote());
      moved = true;
    } else if (standingDueMs > dueAtMs) {
      await changePending(() => job.changeDelay(delayMs));
      data.d = dueAtMs;
      moved = true;
    }
  }
  if ((['n', 'd', 'g', 's'] as const).some((name) => data[name] !== job.data[name])) {
    await changePending(() => job.updateData(data));
  }
  const isEarlier = delayMs > 0 && standingDueMs < Date.now() + delayMs - dueSlackMs;
  return isEarlier ? 'earlier' : moved ? 'moved' : 'left';
}

/** Who asks for the room whenever it was created gets it, and so does who wants a snapshot. */
function withPrecautionsOfBoth(standing: JobData, wanted: Precautions): JobData {
  const { onlyCreatedBeforeMs, snapshot } = wanted;
  const ofBoth =
    standing.g === undefined || onlyCreatedBeforeMs === undefined
      ? undefined
      : Math.max(standing.g, onlyCreatedBeforeMs);
  return {
    ...withOnlyCreatedBefore(standing, ofBoth),
    ...(snapshot === true ? { s: 1 } : {}),
  };
}

function goesBefore(priority: number, standing: number): boolean {
  const slack = laneOf(priority) === 'bulk' && laneOf(standing) === 'bulk' ? turnSlack : 0;
  return priority < standing - slack;
}

/**
 * Reads or changes a pending destruction's job. It may end, or be taken up, at this very
 * moment: then there is nothing to change, and that is no error.
 *
 * @returns what `change` does, or undefined where the job was gone, or in another state.
 * @throws ReaperError `UNAVAILABLE` where the queue could not be asked, `NO_SPACE` where Redis is full: the change is not made.
 */
async function changePending<R>(change: () => Promise<R>): Promise<R | undefined> {
  try {
    return await change();
  } catch (error) {
    // BullMQ's own answers about a job have negative numbers; errors of a connection have not.
    if (typeof (error as { code?: unknown }).code === 'number') return undefined;
    throw notTaken(error);
  }
}

function notTaken(error: unknown): ReaperError {
  return new ReaperError(
    isFull(error) ? 'NO_SPACE' : 'UNAVAILABLE',
    `the queue did not take the rooms: ${refusalReason(error)}; ask again then, nothing is added twice`,
    { cause: error },
  );
}
