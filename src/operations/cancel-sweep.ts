/**
 * Taking back what is cancelled: off the queue, into the ledger.
 *
 * By now the ledger says what is cancelled, so workers send nothing of it any more
 * (src/ledger/cancel.ts). What is left to do is to clear the queue and to record how each
 * destruction ended. For each page of jobs: make their rows in the ledger, remove the jobs,
 * record the outcomes. Where this is interrupted between two of these steps, the open rows
 * without a job are found at the next run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cancelledAmong,
  cancelledEnd,
  markDestructionsCancelled,
  openDestructions,
  sentAmong,
} from '../ledger/cancel.js';
import { type Destruction, type OutcomeCounts, outcomes } from '../destruction.js';
import { ensureDestructions, recordEnds } from '../ledger/record.js';
import { patiently, type Patience } from '../passing.js';
import { batchIdPrefix } from '../queue/destruction-id.js';
import { idsInHand, visitWaiting, waitingPage } from '../queue/waiting.js';
import type { Service } from './service.js';

/** How long what is in hand is waited for: longer than a request may take. In milliseconds. */
const waitForHandMs = 12_000;

/** How often it is looked at, at most, in milliseconds. */
const lookEveryMs = 250;

/** Pages that are under way at the same time. */
const pagesAtOnce = 3;

interface SweepTarget {
  batches: readonly { id: string; createdAtMs: number }[];
  /** Single destructions. */
  ids: readonly string[];
  /** Everything of the app that was asked for before this, in milliseconds since the epoch. */
  everythingBeforeMs?: number;
  by: string;
}

export interface Swept {
  /** How those ended that were taken off the queue. */
  taken: OutcomeCounts;
  /** Ids of those that a worker had in hand meanwhile: they end there. */
  inHand: Set<string>;
  /** Ids of those that are still in hand. */
  left: string[];
  /** Rooms that another batch waits for as well: they go on. */
  shared: Set<string>;
}

export async function sweep(
  service: Service,
  target: SweepTarget,
  onProgress: (swept: Swept) => void,
  signal: AbortSignal,
): Promise<Swept> {
  const { database } = service;
  const { sdkAppId } = service.config;
  const { queue, jobs } = await service.queue();
  const batchIds = new Set(target.batches.map((batch) => batch.id));
  const prefixes = new Set(target.batches.map((batch) => batchIdPrefix(batch.createdAtMs)));
  const ids = new Set(target.ids);
  const swept: Swept = {
    taken: Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as OutcomeCounts,
    inHand: new Set(),
    left: [],
    shared: new Set(),
  };
  const interrupted = () => signal.aborted;

  /** By the id alone; `isMeant` is certain. */
  function mayBeMeant(id: string): boolean {
    return target.everythingBeforeMs !== undefined || ids.has(id) || prefixes.has(id.slice(0, 13));
  }

  function isMeant(destruction: Destruction): boolean {
    if (ids.has(destruction.id)) return true;
    if (destruction.batchId !== undefined && batchIds.has(destruction.batchId)) return true;
    return destruction.requestedAtMs <= (target.everythingBeforeMs ?? -1);
  }

  /** @returns how many jobs were taken off the queue. */
  async function takeBack(page: readonly string[]): Promise<number> {
    // A job that carries a result not saved yet is left to the workers: it ends with that.
    const meant = (await jobs.read(page)).filter(
      (each) => isMeant(each) && each.unsavedResult === undefined,
    );
    const single = meant.filter(
      (each) => each.batchId === undefined || !batchIds.has(each.batchId),
    );
    if (target.everythingBeforeMs !== undefined && single.length > 0) {
      await markDestructionsCancelled(
        database,
        single.map((each) => each.id),
        target.by,
      );
    }
    const cancelled = await cancelledAmong(database, meant);
    for (const each of meant) if (!cancelled.has(each.id)) swept.shared.add(each.id);
    const taking = meant.filter((each) => cancelled.has(each.id));
    await ensureDestructions(database, sdkAppId, taking);
    const removed = await jobs.remove(taking.map((each) => each.id));
    await end(taking.filter((each) => removed.has(each.id)));
    onProgress(swept);
    return removed.size;
  }

  async function end(taken: readonly Destruction[]): Promise<void> {
    if (taken.length === 0) return;
    // Asked once the jobs are off the queue: until then a worker may have sent one.
    const sent = await sentAmong(
      database,
      taken.map((each) => each.id),
    );
    const standing = await recordEnds(
      database,
      sdkAppId,
      taken.map((each) => {
        const { id: destructionId, ...destruction } = each;
        const { outcome, reason } = cancelledEnd(sent.has(destructionId));
        return {
          destructionId,
          destruction,
          attempt: undefined,
          end: {
            outcome,
            errorCode: undefined,
            errorInfo: reason,
            requestId: undefined,
            statistics: undefined,
          },
        };
      }),
    );
    for (const outcome of standing) if (outcome !== undefined) swept.taken[outcome] += 1;
    for (const each of taken) swept.inHand.delete(each.id);
  }

  /** Looks through the queue until nothing is left that is not in a worker's hand. */
  async function clearQueue(): Promise<void> {
    const wholeQueue = batchIds.size > 0 || target.everythingBeforeMs !== undefined;
    for (let taken = 1; taken > 0 && !interrupted();) {
      taken = await takeBackAll(target.ids);
      if (!wholeQueue) continue;
      const visit = async (ids: readonly string[]) => {
        const count = await takeBackAll(ids.filter(mayBeMeant));
        taken += count;
        return count;
      };
      await visitWaiting(queue, visit, signal);
    }
  }

  /** @returns how many jobs were taken off the queue. */
  async function takeBackAll(mayBe: readonly string[]): Promise<number> {
    let taken = 0;
    const running = new Set<Promise<void>>();
    for (const page of inPages(mayBe)) {
      if (interrupted()) break;
      const one = patiently(patience, () => takeBack(page)).then((count) => {
        taken += count;
        running.delete(one);
      });
      running.add(one);
      // Told by the race or at the end; until then a second failure is nobody's.
      one.catch(() => undefined);
      // The queue works for one page while the ledger works for another.
      if (running.size >= pagesAtOnce) await Promise.race(running);
    }
    await Promise.all(running);
    return taken;
  }

  async function lookInHand(): Promise<void> {
    const active = (await idsInHand(queue)).filter(mayBeMeant);
    swept.left = (await jobs.read(active)).filter(isMeant).map((each) => each.id);
    for (const id of swept.left) if (!swept.shared.has(id)) swept.inHand.add(id);
    swept.left = swept.left.filter((id) => !swept.shared.has(id));
  }

  /** Rows without a job: an earlier run took the job and came no further. */
  async function endWithoutJob(): Promise<void> {
    const of = {
      sdkAppId,
      batchIds: [...batchIds],
      ids: target.ids,
      allSingle: target.everythingBeforeMs !== undefined,
    };
    for (let after = ''; ;) {
      const open = await openDestructions(database, of, after, waitingPage);
      const last = open.at(-1);
      if (last === undefined) return;
      after = last.id;
      const there = await jobs.existing(open.map((each) => each.id));
      const cancelled = await cancelledAmong(database, open);
      await end(open.filter((each) => !there.has(each.id) && cancelled.has(each.id)));
    }
  }

  const until = performance.now() + waitForHandMs;
  for (;;) {
    const startedAt = performance.now();
    await clearQueue();
    await lookInHand();
    const tookMs = performance.now() - startedAt;
    if (swept.left.length === 0 || interrupted() || performance.now() > until) break;
    await sleep(Math.max(lookEveryMs, 2 * tookMs), undefined, { signal }).catch(() => undefined);
  }
  if (!interrupted()) await endWithoutJob();
  onProgress(swept);
  return swept;
}

function* inPages(ids: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += waitingPage) {
    yield ids.slice(from, from + waitingPage);
  }
}

/** A page may be begun again at any point; so often while the ledger is troubled. */
const patience: Patience = { tries: 20, pauseMs: () => 500 };
