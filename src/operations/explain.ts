/** Why a room is still alive, or what became of it. It asks queue and ledger, and sends nothing. */
import { stringify } from 'lossless-json';
import { readBatches } from '../ledger/batches.js';
import {
  readRoomHistory,
  roomOf,
  type KnownAttempt,
  type KnownDestruction,
} from '../ledger/explain.js';
import { stateOf } from '../ledger/line.js';
import { isDestructionId } from '../queue/destruction-id.js';
import { locateJob, locateRoom, type LocatedJob } from '../queue/locate.js';
import type { OpenQueue } from '../queue/open.js';
import { checkRoomId } from '../room-id.js';
import { isoTime, rounded } from '../text.js';
import { mostOfOneName } from './find-batch.js';
import { haltJson, lineWords } from './line.js';
import {
  readLineFacts,
  readQueueStatus,
  standstillIn,
  type LineFacts,
  type QueueStatus,
} from './movement.js';
import { pauseJson } from './pause.js';
import { describeEvents, summaryOf, type Explanation } from './room-summary.js';
import type { Service, ServiceLine } from './service.js';

export {
  describeEvents,
  summaryOf,
  type Explanation,
  type KnownAttempt,
  type KnownDestruction,
  type LocatedJob,
};

/** What is shown of a room that was asked for again and again: the newest. */
const most = { destructions: 5, attempts: 50 };

/** What of a service it asks. */
export type ExplainSource = ServiceLine & Pick<Service, 'config' | 'database' | 'queue'>;

export interface Measured {
  facts: LineFacts;
  depth: QueueStatus;
}

/** What is the same for all rooms of one look. */
export async function measure(service: ExplainSource): Promise<Measured> {
  const [facts, depth] = await Promise.all([
    readLineFacts(service.database, service),
    readQueueStatus(await service.queue()),
  ]);
  return { facts, depth };
}

/**
 * @param asked - a RoomId, or the id of a destruction. Where it is both, the room is meant. The id
 *   of a batch is recognised as such.
 * @param measured - where many rooms are explained at once.
 * @throws ReaperError `INVALID` where it can be neither.
 */
export async function explain(
  service: ExplainSource,
  asked: string,
  measured?: Measured,
): Promise<Explanation> {
  checkRoomId(asked);
  const opened = await service.queue();
  const named = isDestructionId(asked)
    ? await locateDestruction(service, opened, asked)
    : undefined;
  let room = await readRoom(service, opened, asked);
  const isRoom = room.pending !== undefined || room.history.total > 0;
  const byId = named !== undefined && !isRoom;
  if (byId) room = await readRoom(service, opened, named.roomId, asked);
  const pending = room.pending ?? (byId ? named.job : undefined);
  const jobs = new Map<string, LocatedJob>(pending && [[pending.id, pending]]);
  for (const { id } of room.history.destructions) {
    const job = jobs.get(id) ?? (await locateJob(opened.queue, opened.lookUp, id));
    if (job !== undefined) jobs.set(id, job);
  }
  const isKnown = isRoom || byId;
  const { facts, depth } = measured ?? (await measure(service));
  return {
    roomId: byId ? named.roomId : asked,
    destructionId: byId ? asked : undefined,
    namesake: isRoom ? named?.roomId : undefined,
    batch: isKnown ? undefined : await batchOf(service, asked),
    nowMs: Date.now(),
    host: service.lineKey.host,
    line: facts.configured,
    state: stateOf(facts.configured, depth.paused),
    haltedReads: facts.haltedReads,
    standstill: standstillIn(depth, facts, service),
    pause: depth.pause,
    queueReadOnly: depth.readOnly,
    fullRatePerSecond: 1000 / service.intervalMs,
    ...{ pending, jobs, history: room.history },
  };
}

/** @param destructionId - is shown whatever its age. */
async function readRoom(
  { database, config }: ExplainSource,
  { queue, lookUp }: OpenQueue,
  roomId: string,
  destructionId?: string,
): Promise<Pick<Explanation, 'pending' | 'history'>> {
  // The queue first: a job that ends between the two is in the ledger by then.
  const pending = await locateRoom(queue, lookUp, roomId);
  const { sdkAppId } = config;
  return {
    pending,
    history: await readRoomHistory(database, sdkAppId, roomId, most, destructionId),
  };
}

/** The batch that has this id. */
async function batchOf(
  { database, config }: ExplainSource,
  id: string,
): Promise<Explanation['batch']> {
  if (!isDestructionId(id)) return undefined;
  // A name can be the same text.
  const wish = { idOrName: id, limit: mostOfOneName };
  const found = (await readBatches(database, config.sdkAppId, wish)).find((each) => each.id === id);
  return found && { id, name: found.name };
}

/** The room of a destruction, and its job where the ledger does not know it yet. */
async function locateDestruction(
  { database, config }: ExplainSource,
  { queue, lookUp }: OpenQueue,
  id: string,
): Promise<{ roomId: string; job?: LocatedJob } | undefined> {
  const job = await locateJob(queue, lookUp, id);
  const known = await roomOf(database, config.sdkAppId, id);
  if (known !== undefined) return { roomId: known };
  return job?.destruction && { roomId: job.destruction.roomId, job };
}

/** The shape is a contract. Times are ISO 8601; statistics are exact, also beyond 2⁵³. */
export function explanationJson(explanation: Explanation): string {
  const { roomId, pending, history, jobs, line, state, host } = explanation;
  const shown = new Set(history.destructions.map(({ id }) => id));
  return (
    stringify({
      roomId,
      destructionId: explanation.destructionId,
      namesake: explanation.namesake,
      batch: explanation.batch,
      summary: summaryOf(explanation),
      line: {
        host,
        state: lineWords[state.kind],
        paused: state.kind === 'paused',
        pause: pauseJson(explanation.pause),
        ratePerSecond: line && rounded(line.ratePerSecond),
        brakeReason: line?.brakeReason,
        ...haltJson(state),
        lastSlotAt: isoTime(line?.lastSlotMs),
      },
      noEtaBecause: explanation.standstill,
      pending: pending && { ...jobJson(pending), takenUp: shown.has(pending.id) },
      destructions: history.destructions.map((destruction) => {
        const job = jobs.get(destruction.id);
        return destructionJson(destruction, job && jobJson(job));
      }),
      olderDestructions: history.total - history.destructions.length,
      events: history.events.map(({ endedAtMs, receivedAtMs, endedBy, ...event }) => ({
        ...{ endedAt: isoTime(endedAtMs), endedBy, operator: event.operator },
        ...{ statistics: event.statistics, destructionId: event.destructionId },
        receivedAt: isoTime(receivedAtMs),
      })),
    }) ?? ''
  );
}

function jobJson({ id, destruction, lane, failedRuns, place }: LocatedJob) {
  return {
    destructionId: id,
    state: place.state,
    lane,
    failedRuns,
    ...(place.state === 'waiting' ? { ahead: place.ahead, exact: place.exact } : {}),
    ...(place.state === 'in_hand' ? { since: isoTime(place.sinceMs) } : {}),
    ...(place.state === 'delayed'
      ? { dueAt: isoTime(place.dueAtMs), lastFailure: place.lastFailure }
      : {}),
    ...(place.state === 'failed' ? { reason: place.reason, failedAt: isoTime(place.atMs) } : {}),
    requestedAt: isoTime(destruction?.requestedAtMs),
    deadline: isoTime(destruction?.notAfterMs),
    batchId: destruction?.batchId,
    holdsUnsavedResult: destruction?.unsavedResult !== undefined,
  };
}

function destructionJson(destruction: KnownDestruction, job: object | undefined) {
  const { id, outcome, errorCode, errorInfo, requestId, batch, statistics } = destruction;
  return {
    id,
    outcome,
    requestedAt: isoTime(destruction.requestedAtMs),
    deadline: isoTime(destruction.notAfterMs),
    finishedAt: isoTime(destruction.finishedAtMs),
    batch,
    errorCode,
    errorInfo,
    requestId,
    statisticsSource: destruction.statisticsSource,
    snapshotAt: isoTime(destruction.snapshotAtMs),
    statistics,
    attempts: destruction.attempts.map(({ attempt, slotAtMs, sentAtMs, endedAtMs, ...answer }) => ({
      attempt,
      slotAt: isoTime(slotAtMs),
      sentAt: isoTime(sentAtMs),
      endedAt: isoTime(endedAtMs),
      ...answer,
    })),
    earlierAttempts: destruction.attemptCount - destruction.attempts.length,
    job,
  };
}
