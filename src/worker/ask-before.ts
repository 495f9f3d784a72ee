/**
 * What is asked about a room before it is destroyed, where whoever asked for it wants so: a snapshot
 * of its statistics, and whether it is still the room that was meant.
 *
 *   snapshot ──► get_room_stats ──► saved
 *   look     ──► get_room_info ──► created too late? ──► recreated, or statistics lost; nothing sent
 *                               └► gone?             ──► its outcome, nothing sent
 *
 * The look comes last, so that only the wait for a slot lies between it and the request.
 */
import type { Destruction } from '../destruction.js';
import type { Standing } from '../ledger/standing.js';
import { readCreatedAt, readRoomTotals } from '../tencent/rooms.js';
import type { SignedRequest } from '../tencent/client.js';
import {
  afterFailure,
  type AttemptsEnd,
  type Judged,
  judgeAnswer,
  stopCauseOf,
  toBackMs,
} from './answered.js';
import type { JobInHand, WorkerContext } from './context.js';
import { decide } from './decide.js';
import { endUnsent, sawEnd } from './end.js';
import type { ReadLine } from './read-line.js';
import { sendAtSlot } from './send.js';
import { traceRequest } from './traces.js';

/** A snapshot of a room to which nothing was sent since is taken again after this, in milliseconds. */
const snapshotIsGoodForMs = 60_000;

type Asked =
  /** @param lookedAtMs - when its room was looked at, on the database's clock; undefined: it need not be. */
  { kind: 'go_on'; lookedAtMs: number | undefined } | AttemptsEnd;

/** @throws Halted where this worker takes nothing any more. */
export async function askBefore(
  destruction: Destruction,
  job: JobInHand,
  context: WorkerContext,
): Promise<Asked> {
  const { snapshot = false, onlyCreatedBeforeMs } = destruction;
  if (!snapshot && onlyCreatedBeforeMs === undefined)
    return { kind: 'go_on', lookedAtMs: undefined };
  const standing = await context.writer.standing(destruction);
  // What has ended or was taken back ends where its slot would be reserved. As if it had been looked
  // at long ago: should a slot be granted all the same, nothing is sent.
  if (standing.isClosed || context.now() > destruction.notAfterMs)
    return { kind: 'go_on', lookedAtMs: 0 };
  if (snapshot) {
    const end = await takeSnapshot(destruction, standing, job, context);
    if (end !== undefined) return end;
  }
  if (onlyCreatedBeforeMs === undefined) return { kind: 'go_on', lookedAtMs: undefined };
  return look(destruction, onlyCreatedBeforeMs, standing, job, context);
}

/** @returns undefined where the room can be destroyed now, with a snapshot or because there is none to have. */
async function takeSnapshot(
  destruction: Destruction,
  { sent, snapshotAtMs = Number.NEGATIVE_INFINITY }: Standing,
  job: JobInHand,
  context: WorkerContext,
): Promise<AttemptsEnd | undefined> {
  // After a request the room may be another one.
  if (sent || context.unsaved.has(destruction.id)) return undefined;
  if (context.now() - snapshotAtMs < snapshotIsGoodForMs) return undefined;
  const { client, reads, writer, log } = context;
  const asked = await ask(
    await reads.stats(),
    () => client.prepareRoomStats(destruction.roomId),
    destruction,
    job,
    context,
  );
  if (asked.kind === 'gone' || asked.kind === 'refused') return undefined;
  if (asked.kind !== 'told') return asked;
  const statistics = readRoomTotals(asked.response);
  if (statistics === undefined) {
    log.warn(
      { destructionId: destruction.id, roomId: destruction.roomId },
      'get_room_stats told no totals that can be read; no snapshot',
    );
    return undefined;
  }
  await writer.saveSnapshot({ destructionId: destruction.id, takenAtMs: asked.atMs, statistics });
  return undefined;
}

async function look(
  destruction: Destruction,
  onlyCreatedBeforeMs: number,
  standing: Standing,
  job: JobInHand,
  context: WorkerContext,
): Promise<Asked> {
  const asked = await ask(
    await context.reads.info(),
    () => context.client.prepareRoomInfo(destruction.roomId),
    destruction,
    job,
    context,
  );
  const mayHaveActed = standing.mayHaveActed || context.unsaved.has(destruction.id);
  if (asked.kind === 'gone' || asked.kind === 'refused') {
    const { judged } = asked;
    const decision = decide(judged.verdict, mayHaveActed);
    if (decision.kind !== 'end') throw new Error(`no end: ${judged.reason}`);
    // What its own line learns from a probe, it has learnt.
    const sent = { ...judged.sent, probe: undefined };
    await sawEnd(decision.outcome, { ...judged, sent }, context);
    return endUnsent(destruction, decision.outcome, judged.reason, context, judged.details);
  }
  if (asked.kind !== 'told') return asked;
  const createdAtMs = readCreatedAt(asked.response);
  if (createdAtMs === undefined) {
    const { details } = asked;
    return {
      kind: 'failed',
      reason: 'get_room_info did not say when the room was created',
      details,
    };
  }
  // The API tells whole seconds, rounded down: one of the same second may be later.
  if (createdAtMs <= onlyCreatedBeforeMs) return { kind: 'go_on', lookedAtMs: asked.atMs };
  const reason = `a room of this id was created at ${new Date(createdAtMs).toISOString()}, after ${new Date(onlyCreatedBeforeMs).toISOString()}`;
  // The room that was meant is gone: of one that was sent for, that may have been our doing.
  const outcome = mayHaveActed ? 'destroyed_statistics_lost' : 'recreated';
  return endUnsent(destruction, outcome, reason, context);
}

type Answered =
  /** @param atMs - when it was sent, on the database's clock. */
  | { kind: 'told'; response: unknown; atMs: number; details: Judged['details'] }
  | { kind: 'gone'; judged: Judged }
  | { kind: 'refused'; judged: Judged };

/** Asks until there is an answer about the room; what is about the line is dealt with here. */
async function ask(
  line: ReadLine,
  prepare: () => SignedRequest,
  destruction: Destruction,
  job: JobInHand,
  context: WorkerContext,
): Promise<Answered | AttemptsEnd> {
  const { signer, guard } = context;
  for (let staleBefore = false; ;) {
    const trouble = line.trouble();
    if (trouble !== undefined) return { kind: 'put_off', ...trouble };
    const leave = line.enter();
    const result = await sendAtSlot(
      line,
      { destructionId: destruction.id, fresh: job.fresh, wish: { lane: job.lane }, prepare },
      context,
    ).finally(leave);
    if (result.kind === 'unsent') {
      line.foundStopped(result.why);
      const { reason } = result.why.line;
      if (result.why.isApp) return { kind: 'given_back', reason: `the line is stopped: ${reason}` };
      continue;
    }
    const { sent, grant } = result;
    const probe = sent.probe === 'stop' ? { isApp: grant.probesApp } : undefined;
    const judged = judgeAnswer(sent);
    const { verdict, reason, details } = judged;
    context.metrics.asked(verdict.word);
    traceRequest(sent, verdict);
    if (verdict.word !== 'transient') {
      line.outage.worked(sent);
      if (sent.probe === 'outage') await line.outage.probeWorked();
    }
    if (!['destroyed', 'gone', 'rejected'].includes(verdict.word)) context.onTrouble(reason);

    switch (verdict.word) {
      case 'destroyed':
      case 'gone':
      case 'rejected': {
        signer.accepted(sent.sig);
        await line.foundRunning(probe);
        if (verdict.word === 'destroyed') {
          const response = sent.answer.kind === 'reply' ? sent.answer.response : undefined;
          return { kind: 'told', response, atMs: sent.sentAtMs, details };
        }
        return { kind: verdict.word === 'gone' ? 'gone' : 'refused', judged };
      }
      case 'transient': {
        const itself = { outage: line.outage, foundRunning: () => line.foundRunning(probe) };
        // Nothing was sent for the room itself: whoever reads why it failed must know what did.
        const ofCommand = { ...judged, reason: `${line.command}: ${reason}` };
        const end = await afterFailure(ofCommand, itself, destruction, job, context);
        if (end !== undefined) return end;
        continue;
      }
      case 'over_quota':
        await line.brake(reason);
        await line.foundRunning(probe);
        continue;
      case 'stale_signature':
        if (staleBefore && sent.sig.proven)
          return { kind: 'failed', reason: `${line.command}: ${reason}`, details };
        if (staleBefore || !signer.renew(sent.sig)) {
          guard.stop(stopCauseOf(judged));
          return givenBack(probe, reason);
        }
        staleBefore = true;
        continue;
      case 'stop_line': {
        const cause = stopCauseOf(judged);
        await line.stop(cause);
        if (cause.holdsAll) return givenBack(probe, reason);
        continue;
      }
      default:
        return verdict.word satisfies never;
    }
  }
}

/** The next probe should be another room: it may be about this one. */
function givenBack(probe: object | undefined, why: string): AttemptsEnd {
  const reason = `the line is stopped: ${why}`;
  return probe === undefined
    ? { kind: 'given_back', reason }
    : { kind: 'put_off', reason, delayMs: toBackMs };
}
