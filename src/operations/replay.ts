/** Replays: rooms that are not gone, chosen from the ledger and asked for again. */
import { createHash } from 'node:crypto';
import { ReaperError } from '../errors.js';
import { markEnqueued } from '../ledger/batches.js';
import {
  interruptedReplay,
  openReplay,
  planReplay,
  protectedAmong,
  replacedDestructions,
  replayedRooms,
  type ReplayBatch,
  type ReplayChoice,
  type ReplayFate,
  type ReplayGroup,
} from '../ledger/replay.js';
import type { AddedMany } from '../producer/add-many.js';
import type { ProtectedRooms } from '../protected-rooms.js';
import { newId } from '../queue/destruction-id.js';
import { waitingPage } from '../queue/waiting.js';
import { judge } from '../tencent/verdicts.js';
import { rounded } from '../text.js';
import { recorded } from './actions.js';
import {
  fillBatch,
  type BatchLabel,
  type Enqueued,
  type EnqueueOptions,
  type FillOptions,
} from './enqueue.js';
import { forecast, type Forecast } from './forecast.js';
import { readOutlook } from './look-ahead.js';
import { madeUpName } from './made-up-name.js';
import { namedAtMost, type FoundProtected } from './rooms.js';
import type { Service } from './service.js';

export { replayable, type ReplayBatch, type ReplayFate } from '../ledger/replay.js';

/** What is chosen; what is undefined chooses nothing and leaves nothing out. */
export interface ReplayRequest extends BatchLabel, Omit<ReplayChoice, 'sdkAppId'> {
  protectedRooms: ProtectedRooms;
  /** The choice in words, as it is kept with the batch; the same words for the same choice. */
  origin: string;
}

export interface ReplayPlan {
  origin: string;
  groups: readonly (ReplayGroup & { meaning: string | undefined })[];
  /** Of the rooms that are replayed. */
  forecast: Forecast;
  protected: FoundProtected;
}

/** A replay of the same choice that was interrupted: asked for again, it is gone on with. */
export function unfinishedReplay(
  { database, config }: Service,
  request: ReplayRequest,
): Promise<ReplayBatch | undefined> {
  const asked = { name: request.name, fingerprint: fingerprintOf(request) };
  // Later its rooms on the queue have expired.
  const withinMs = config.deadlineHours * 3_600_000;
  return interruptedReplay(database, config.sdkAppId, asked, withinMs);
}

/** What a new replay would do, changing nothing. */
export async function previewReplay(service: Service, request: ReplayRequest): Promise<ReplayPlan> {
  const { database, config } = service;
  const choice = { ...request, sdkAppId: config.sdkAppId };
  const groups = await planReplay(database, choice);
  const guarded = roomsOf(groups, 'protected');
  const named = guarded > 0 ? await protectedAmong(database, choice, namedAtMost) : [];
  const outlook = await readOutlook(service, undefined);
  return {
    origin: request.origin,
    groups: groups.map((group) => ({ ...group, meaning: meaningOf(group.errorCode) })),
    forecast: forecast({ rooms: roomsOf(groups, 'replay'), outlook, nowMs: Date.now() }),
    protected: { total: guarded, named: named.map((roomId) => ({ roomId, entry: roomId })) },
  };
}

/** @throws ReaperError `REFUSED` where nothing was chosen but what the API refused for good. */
export function refuseFutile({ forecast: { rooms }, groups }: ReplayPlan): void {
  if (rooms > 0 || roomsOf(groups, 'refused') === 0) return;
  throw new ReaperError(
    'REFUSED',
    'every room chosen was refused for good and would be refused again',
    { remedy: 'force' },
  );
}

export interface Replayed extends Pick<Enqueued, 'added' | 'complete'> {
  batch: ReplayBatch;
}

/**
 * Asks again for the rooms, as a batch of their own.
 *
 * @param unfinished - to go on with that one.
 * @returns undefined where there is nothing to replay.
 * @throws ReaperError as `enqueueRooms` does.
 */
export function replay(
  service: Service,
  request: ReplayRequest,
  unfinished: ReplayBatch | undefined,
  options: EnqueueOptions,
): Promise<Replayed | undefined> {
  return recorded(
    service,
    request.by,
    { what: 'replay', target: unfinished?.id, reason: request.note },
    () => openAndFill(service, request, unfinished, options),
    (replayed) => ({
      target: replayed?.batch.id,
      counts: { rooms: replayed?.batch.total ?? 0, choice: request.origin },
    }),
  );
}

async function openAndFill(
  service: Service,
  request: ReplayRequest,
  unfinished: ReplayBatch | undefined,
  options: EnqueueOptions,
): Promise<Replayed | undefined> {
  const { database, config } = service;
  const { sdkAppId } = config;
  const batch =
    unfinished ??
    (await openReplay(
      database,
      { ...request, sdkAppId },
      {
        ...request,
        id: newId(),
        madeUpName: madeUpName(Math.random),
        fingerprint: fingerprintOf(request),
      },
    ));
  if (batch === undefined) return undefined;
  // Rooms asked for one by one should not wait behind a list.
  const lane = request.roomIds === undefined ? 'bulk' : 'normal';
  const { lastPriority, ...added } = await fillReplay(service, batch, lane, options);
  if (options.signal.aborted) return { batch, added, complete: false };
  await markEnqueued(database, batch.id, lastPriority);
  return { batch, added, complete: true };
}

/**
 * Puts the rooms of a replay on the queue, each only as it was when it was first asked for; what they replace is
 * not for anybody to retry any more.
 */
export async function fillReplay(
  service: Service,
  batch: Pick<ReplayBatch, 'id' | 'createdAtMs' | 'isNew' | 'total' | 'precautions'>,
  lane: 'urgent' | 'normal' | 'bulk',
  options: FillOptions,
): Promise<AddedMany> {
  const { database, config } = service;
  /** Of the page that is read and the one before it, of which rooms may not be on the queue yet. */
  let guards: Map<string, number | undefined>[] = [];
  async function* rooms() {
    for await (const page of replayedRooms(database, batch.id, waitingPage)) {
      const last = new Map(page.map((each) => [each.roomId, each.onlyCreatedBeforeMs]));
      guards = [last, ...guards.slice(0, 1)];
      yield [...last.keys()];
    }
  }
  const guardOf = (roomId: string) => guards.find((page) => page.has(roomId))?.get(roomId);
  const place = { lane, notBeforeMs: undefined };
  const added = await fillBatch(service, batch, rooms(), place, { ...options, guardOf });
  if (options.signal.aborted) return added;
  const { jobs } = await service.queue();
  for await (const page of rooms()) {
    await jobs.remove(await replacedDestructions(database, config.sdkAppId, batch.id, page));
  }
  return added;
}

/** What tells a choice from others. No SHA-256 of a list: it cannot be taken for one. */
export function fingerprintOf(request: ReplayRequest): string {
  // The words have the time as it was asked for: "the last two hours" is the same again later.
  const { origin, batchId, codes, outcomes, roomIds, force } = request;
  const { rooms, patterns } = request.protectedRooms;
  const whole = JSON.stringify([origin, batchId, codes, outcomes, roomIds, force, rooms, patterns]);
  return `replay ${createHash('sha256').update(whole).digest('hex')}`;
}

function roomsOf(groups: readonly ReplayGroup[], fate: ReplayFate): number {
  return groups
    .filter((group) => group.fate === fate)
    .reduce((total, group) => total + group.rooms, 0);
}

/** What the API means by a code. */
function meaningOf(errorCode: number | undefined): string | undefined {
  if (errorCode === undefined) return undefined;
  return judge({
    ...{ kind: 'reply', httpStatus: 200, errorCode, errorInfo: '' },
    ...{ requestId: undefined, statistics: undefined },
  }).reason;
}

/** What a replay always minds, in words for people. */
export const replayGuard =
  'rooms that were created again since they were first asked for are left alone';

/** The shape is a contract with scripts. */
export function replayPlanToJson({ origin, groups, forecast: { outlook, ...times } }: ReplayPlan) {
  return {
    origin,
    rooms: times.rooms,
    seconds: rounded(times.seconds - times.aheadSeconds),
    waitingBefore: outlook.waitingAhead ?? 0,
    note: replayGuard,
    plan: groups.map(({ fate, outcome, errorCode, meaning, rooms, example }) => ({
      ...{ fate, outcome, errorCode: errorCode ?? null, meaning: meaning ?? null, rooms, example },
    })),
  };
}

/**
 * The shape is a contract with scripts.
 *
 * @param plan - undefined where an interrupted one was gone on with.
 */
export function replayedToJson(
  replayed: Replayed | undefined,
  plan: ReplayPlan | undefined,
): object {
  if (replayed === undefined) return { batchId: null, ...(plan && replayPlanToJson(plan)) };
  const { batch, added } = replayed;
  return {
    ...{ batchId: batch.id, name: batch.name, parentId: batch.parentId ?? null },
    ...{ added: added.added, pending: added.pending, finished: added.finished },
    ...(plan === undefined ? { rooms: batch.total } : replayPlanToJson(plan)),
  };
}
