/** Putting any number of rooms on the queue: a producer's `destroyMany`, and batches. */
import type { Destruction, Precautions } from '../destruction.js';
import { lanes } from '../queue/job.js';
import type { OpenQueue } from '../queue/open.js';
import { takeBackId } from '../queue/take-back.js';
import { readFirstTurn, turnOf } from '../queue/turns.js';
import {
  addChunk,
  addOrJoin,
  bringAllForward,
  fromQueue,
  readJobs,
  type Added,
  type Placement,
} from './add.js';

export interface AddManyOptions {
  lane: Placement['lane'];
  /** When the rooms are due, in milliseconds since the epoch; undefined: now. */
  notBeforeMs: number | undefined;
  /** How long after it was due a destruction may still be sent, in milliseconds. */
  deadlineMs: number;
  batchId: string | undefined;
  /** The id of a room's destruction. */
  idOf(roomId: string): string;
  /** What is done before a room is destroyed. */
  precautionsOf(roomId: string): Precautions;
  /**
   * For rooms that may have been added before, under the same ids: those of them that have not
   * ended. What waits already is asked for again and not added.
   */
  stillOpen?: ((all: readonly Destruction[]) => Promise<readonly Destruction[]>) | undefined;
  /** Told of rooms that are pending under other destructions, before anything else is done with them. */
  onJoined?: ((joined: readonly Added[]) => Promise<void>) | undefined;
  /** Only what is on the queue no more is added; what waits is left where it is. */
  leaveWaiting?: boolean | undefined;
  /**
   * Asked before rooms are added: whether the queue has space for them. Where it throws,
   * no more are added; what is on the queue stays there.
   *
   * @param settled - rooms that need none any more.
   */
  beforeAdding(settled: number): Promise<void>;
  /** Told the counts after each call to the queue, {@link addChunk} rooms. */
  onProgress(counts: AddedCounts): void;
  /** Ends it between two chunks. */
  signal?: AbortSignal;
}

export interface AddedCounts {
  /** On the queue, from now or, under the same ids, from before. */
  added: number;
  /** Pending already under another destruction. */
  pending: number;
  /** Ended already. */
  finished: number;
  /** Of those that waited before: due earlier than asked for now, and left so. */
  dueEarlier: number;
}

export interface AddedMany extends AddedCounts {
  /** The BullMQ priority of the last room: what waits up to it is ahead of its end. */
  lastPriority: number;
  /** Of `added`: those that were not on the queue before. */
  addedNow: number;
}

/** @param chunks - each of at most {@link addChunk} RoomIds. */
export async function addMany(
  opened: Pick<OpenQueue, 'queue' | 'jobs'>,
  chunks: AsyncIterable<readonly string[]>,
  options: AddManyOptions,
): Promise<AddedMany> {
  const { queue, jobs } = opened;
  const { lane, notBeforeMs, stillOpen, leaveWaiting } = options;
  const counts: AddedCounts = { added: 0, pending: 0, finished: 0, dueEarlier: 0 };
  const firstTurn = lane === 'bulk' ? await fromQueue(readFirstTurn(queue)) : lanes[lane];
  const priorityAt = (position: number, snapshot = false) =>
    lane === 'bulk' ? turnOf(firstTurn, position, snapshot) : firstTurn;
  let lastPriority = firstTurn;
  /** Rooms that have not ended, so far: the position of the next one. */
  let openBefore = 0;
  let addedNow = 0;

  /** Of rooms that may have been added before: those that have not ended, and the jobs that they have. */
  async function look(all: readonly Destruction[]) {
    const open = stillOpen === undefined ? all : await stillOpen(all);
    if (stillOpen === undefined) return { open, waiting: [] };
    const found = await readJobs(
      queue,
      open.map(({ id }) => id),
    );
    const lost = await fromQueue(jobs.lost(found.flatMap((job) => job?.id ?? [])));
    if (lost.size === 0) return { open, waiting: found };
    // A job that failed this very moment has its end in the ledger by now.
    const stuck = await stillOpen(open.filter(({ id }) => lost.has(id)));
    const again = new Set(stuck.map(({ id }) => id));
    await fromQueue(jobs.remove([...again]));
    const rest = [...open.entries()].filter(([, { id }]) => !lost.has(id) || again.has(id));
    return {
      open: rest.map(([index, each]) => {
        const unsavedResult = again.has(each.id) ? found[index]?.data.u : undefined;
        return unsavedResult === undefined ? each : { ...each, unsavedResult };
      }),
      waiting: rest.map(([index, { id }]) => (again.has(id) ? undefined : found[index])),
    };
  }

  /** Of rooms that are on the queue no more, some were taken back: the ledger will know it. */
  async function withoutTakenBack({ open, waiting }: Awaited<ReturnType<typeof look>>) {
    const missing = open.filter((_, index) => waiting[index] === undefined);
    if (stillOpen === undefined || missing.length === 0) return { open, waiting };
    const notes = await fromQueue(jobs.existing(missing.map(({ id }) => takeBackId(id))));
    const stays = (index: number) =>
      waiting[index] !== undefined || !notes.has(takeBackId(open[index]?.id ?? ''));
    return {
      open: open.filter((_, index) => stays(index)),
      waiting: waiting.filter((_, index) => stays(index)),
    };
  }

  async function put(chunk: readonly string[]): Promise<void> {
    const now = Date.now();
    const delayMs = notBeforeMs === undefined ? 0 : Math.max(1, Math.round(notBeforeMs - now));
    const notAfterMs = Math.floor(now + delayMs + options.deadlineMs);
    const all = chunk.map((roomId) => ({
      id: options.idOf(roomId),
      roomId,
      batchId: options.batchId,
      requestedAtMs: now,
      notAfterMs,
      ...options.precautionsOf(roomId),
    }));
    const { open, waiting } = await withoutTakenBack(await look(all));
    counts.finished += all.length - open.length;
    const position = openBefore;
    openBefore += open.length;
    const wishes = open.map((destruction, index) => ({
      destruction,
      priority: priorityAt(position + index, destruction.snapshot),
    }));
    lastPriority = wishes.at(-1)?.priority ?? lastPriority;
    if (!leaveWaiting) {
      counts.dueEarlier += (await bringAllForward(waiting, wishes, delayMs)).dueEarlier;
    }
    const missing = wishes.filter((_, index) => waiting[index] === undefined);
    counts.added += wishes.length - missing.length;
    if (missing.length > 0) {
      await options.beforeAdding(counts.added + counts.pending + counts.finished);
      const { added, dueEarlier } = await addOrJoin(
        opened,
        missing,
        { lane, delayMs },
        { onJoined: options.onJoined, leaveWaiting: leaveWaiting ?? false },
      );
      const pending = added.filter(({ status }) => status === 'pending').length;
      counts.dueEarlier += dueEarlier;
      counts.pending += pending;
      counts.added += added.length - pending;
      addedNow += added.length - pending;
    }
    options.onProgress(counts);
  }

  await twoAtOnce(chunks, put, options.signal);
  return { ...counts, addedNow, lastPriority };
}

/** Cuts batches of any size into chunks. */
export async function* inChunks(
  batches: AsyncIterable<readonly string[]>,
): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  for await (const batch of batches) {
    for (const each of batch) {
      chunk.push(each);
      if (chunk.length < addChunk) continue;
      yield chunk;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield chunk;
}

/**
 * Uses items one after another, the next one begun while the one before it is under way:
 * while the queue stores a chunk, the next is being encoded. Waiting for each would leave
 * one of the two idle at any time.
 *
 * After a failure no more are begun; it fails when all that was under way has ended.
 *
 * @param signal - aborted, no more are begun either.
 */
export async function twoAtOnce<T>(
  items: AsyncIterable<T>,
  use: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  let last: Promise<void> = Promise.resolve();
  try {
    for await (const item of items) {
      if (signal?.aborted) break;
      await before;
      before = last;
      last = use(item);
      // Each is awaited later; until then its failure must not end the process.
      last.catch(() => undefined);
    }
    await before;
    await last;
  } finally {
    await Promise.allSettled([before, last]);
  }
}
