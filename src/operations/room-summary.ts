/** In one sentence, why a room is still alive or what became of it. Pure. */
import type { KnownDestruction, RoomHistory } from '../ledger/explain.js';
import type { KnownEvent } from '../ledger/room-events.js';
import type { HaltedRead, Line, LineState } from '../ledger/line.js';
import type { LocatedJob } from '../queue/locate.js';
import type { PauseMark } from '../queue/pause.js';
import { printable } from '../redact.js';
import { duration, instant, pausedBy, rooms, whyItStands, withCode } from '../text.js';
import { silentForMs, whyNothingMoves, type Standstill } from './standstill.js';

export interface Explanation {
  roomId: string;
  /** The destruction by whose id the room was asked for. */
  destructionId: string | undefined;
  /** Another room, where the RoomId is the id of a destruction of that one too. */
  namesake: string | undefined;
  /** Where nothing is known of such a room: the batch that has this id. */
  batch: { id: string; name: string | undefined } | undefined;
  nowMs: number;
  /** The endpoint's host of this configuration. */
  host: string;
  /** undefined: no worker has run on this host yet. */
  line: Line | undefined;
  state: LineState;
  /** Commands that only read and do not run. */
  haltedReads: readonly HaltedRead[];
  /** Why nothing moves; undefined: rooms move, or none waits. */
  standstill: Standstill | undefined;
  /** Who paused the queue, where it is paused and that is known. */
  pause: PauseMark | undefined;
  /** Why nothing can be written to the queue, in words. */
  queueReadOnly: string | undefined;
  fullRatePerSecond: number;
  /** The destruction that is still to be done. */
  pending: LocatedJob | undefined;
  /** By destruction id: what of it is on the queue. */
  jobs: ReadonlyMap<string, LocatedJob>;
  history: RoomHistory;
}

/**
 * One sentence that answers the question. A room that was asked for more than once has more than
 * one end: the one that says most of the room comes first, then how the others ended.
 */
export function summaryOf(explanation: Explanation): string {
  const { destructions } = explanation.history;
  const job = jobToDo(explanation);
  if (job !== undefined) {
    const askedAtMs = job.destruction?.requestedAtMs ?? Infinity;
    return describePending(explanation, job) + describeOthers(explanation, job.id, askedAtMs);
  }
  const leading = leadingOf(destructions);
  if (leading !== undefined) {
    const { id, requestedAtMs } = leading;
    return describeEnd(explanation, leading) + describeOthers(explanation, id, requestedAtMs);
  }
  const { pending, batch } = explanation;
  if (pending !== undefined) return describePending(explanation, pending);
  if (batch === undefined)
    return 'nothing is known of this room: it was never asked for, or its record was removed';
  const name = batch.name === undefined ? '' : ` ${printable(batch.name)}`;
  return `this is the id of batch${name}, and no room of this name was asked for`;
}

/** The job that decides what becomes of the room; none where its end is recorded, or it is in the failed set. */
function jobToDo({ pending, jobs, history }: Explanation): LocatedJob | undefined {
  const ended = history.destructions.filter(({ outcome }) => outcome !== undefined);
  const recorded = new Set(ended.map(({ id }) => id));
  return [...(pending ? [pending] : []), ...jobs.values()].find(
    ({ id, place }) => place.state !== 'failed' && !recorded.has(id),
  );
}

/** What says most of a room, in this order. */
const mostTelling = ['destroyed', 'destroyed_statistics_lost', 'already_gone'] as const;

/**
 * The destruction that says what is true of the room: the newest where it is open; else one that
 * destroyed the room or found it gone, whatever became of requests before and after; else the newest.
 */
function leadingOf(destructions: readonly KnownDestruction[]): KnownDestruction | undefined {
  const [newest] = destructions;
  if (newest?.outcome === undefined) return newest;
  const gone = mostTelling.flatMap((outcome) => destructions.filter((d) => d.outcome === outcome));
  return gone[0] ?? newest;
}

/** `; asked for before: failed at …; asked for again: already_gone at …`. */
function describeOthers(explanation: Explanation, id: string, askedAtMs: number): string {
  const others = explanation.history.destructions.filter((each) => each.id !== id);
  const ends = (those: readonly KnownDestruction[]) =>
    those.map(({ outcome = 'open', finishedAtMs }) => {
      const at =
        finishedAtMs === undefined ? '' : ` at ${instant(finishedAtMs, explanation.nowMs)}`;
      return outcome + at;
    });
  const before = ends(others.filter((each) => each.requestedAtMs <= askedAtMs));
  const again = ends(others.filter((each) => each.requestedAtMs > askedAtMs));
  return [
    ...(before.length === 0 ? [] : [`; asked for before: ${before.join(', ')}`]),
    ...(again.length === 0 ? [] : [`; asked for again: ${again.join(', ')}`]),
  ].join('');
}

function describePending(explanation: Explanation, job: LocatedJob): string {
  const { nowMs } = explanation;
  const { place, destruction } = job;
  if (destruction === undefined) {
    return 'its job on the queue holds no valid destruction; a worker will refuse it';
  }
  if (destruction.unsavedResult !== undefined) {
    return 'it was answered; its result is in the job, until the ledger takes it';
  }
  if (place.state === 'in_hand') {
    const since = place.sinceMs === undefined ? '' : ` since ${instant(place.sinceMs, nowMs)}`;
    return `in hand of a worker${since}${whyItWaits(explanation, job)}`;
  }
  if (destruction.notAfterMs < nowMs) {
    return `its deadline passed at ${instant(destruction.notAfterMs, nowMs)}; the next worker to take it up ends it unsent`;
  }
  switch (place.state) {
    case 'waiting':
      return `waiting${holdUp(explanation, ': ') || `: ${queueAhead(explanation, job, place)}`}`;
    case 'delayed': {
      const what = job.failedRuns > 0 ? 'waiting for a later retry' : 'not due yet';
      const failed = whyItFailed(explanation, job, place.lastFailure);
      const held = failed + whyItWaits(explanation, job);
      if (place.dueAtMs === undefined) return `${what}${held}`;
      const inMs = place.dueAtMs - nowMs;
      const due = inMs > 0 ? `in ${duration(inMs / 1000)}` : 'now';
      return `${what}: due ${due}, at ${instant(place.dueAtMs, nowMs)}${held}`;
    }
    case 'failed':
      return `ended and not gone: ${printable(place.reason)}`;
    default:
      return place satisfies never;
  }
}

/** Why its last run failed, where no attempt says it: a command that is asked first did not work. */
function whyItFailed(
  { history }: Explanation,
  { id, failedRuns }: LocatedJob,
  lastFailure: string | undefined,
): string {
  const known = history.destructions.find((each) => each.id === id)?.attempts.at(-1)?.reason;
  if (failedRuns === 0 || lastFailure === undefined || lastFailure === known) return '';
  return `; it failed with: ${printable(lastFailure)}`;
}

/** What keeps all rooms waiting; empty where nothing does. */
function holdUp({ state, pause, nowMs }: Explanation, before: string): string {
  switch (state.kind) {
    case 'paused':
      return `${before}the queue is ${pausedBy(pause, nowMs)}; run \`room-reaper resume\` to go on`;
    case 'stopped': {
      const { remedy } = state.halt;
      return `${before}the line is stopped: ${whyItStands(state.halt)}${remedy === undefined ? '' : `; ${remedy}`}`;
    }
    case 'outage':
      return `${before}the API does not work: ${whyItStands(state.halt)}; it goes on by itself when it does`;
    case 'running':
    case 'braked':
    case 'never_used':
      return '';
    default:
      return state satisfies never;
  }
}

/** What keeps a room waiting that needs another command before it is destroyed; empty where nothing does. */
function readHoldUp({ haltedReads, host }: Explanation, { destruction }: LocatedJob): string {
  const needed = [
    ...(destruction?.snapshot === true ? ['get_room_stats'] : []),
    ...(destruction?.onlyCreatedBeforeMs === undefined ? [] : ['get_room_info']),
  ];
  const read = haltedReads.find((each) => each.host === host && needed.includes(each.command));
  if (read === undefined) return '';
  const { command, halt } = read;
  if (halt.outage)
    return `; ${command}, which is asked first, does not work: ${whyItStands(halt)}; it goes on by itself when it does`;
  const { remedy } = halt;
  return `; ${command}, which is asked first, is stopped: ${whyItStands(halt)}${remedy === undefined ? '' : `; ${remedy}`}`;
}

/** The same, or why nothing moves otherwise. */
function whyItWaits(explanation: Explanation, job: LocatedJob): string {
  const { line, standstill, queueReadOnly, nowMs } = explanation;
  const held = holdUp(explanation, '; ') || readHoldUp(explanation, job);
  if (held !== '' || standstill === undefined) return held;
  if (line === undefined) return '; no worker has run yet; start one with `room-reaper worker`';
  // A room that was asked for a moment ago says nothing about the workers yet.
  const isFresh = nowMs - (job.destruction?.requestedAtMs ?? 0) < silentForMs;
  if (standstill === 'nothing_sent' && isFresh) return '';
  if (standstill === 'line_stands') return '; see `room-reaper status`: another host stands';
  const why = whyNothingMoves(standstill, queueReadOnly);
  return why === undefined ? '' : `; ${why}`;
}

function queueAhead(
  explanation: Explanation,
  job: LocatedJob,
  { ahead, exact }: { ahead: number; exact: boolean },
): string {
  const { line, fullRatePerSecond } = explanation;
  const lane = job.lane === undefined ? '' : ` in the ${job.lane} lane`;
  const who =
    ahead === 0 ? `next${lane}` : `${exact ? '' : 'at most '}${rooms(ahead)} ahead${lane}`;
  const why = whyItWaits(explanation, job);
  if (why !== '') return who + why;
  const rate = line?.ratePerSecond || fullRatePerSecond;
  const brake = line?.brakeReason === undefined ? '' : ` (braked: ${printable(line.brakeReason)})`;
  return `${who}, about ${duration(Math.max(1, ahead / rate))}${brake}`;
}

function describeEnd(explanation: Explanation, destruction: KnownDestruction): string {
  const { nowMs } = explanation;
  const { outcome, errorCode, finishedAtMs, attempts } = destruction;
  const at = finishedAtMs === undefined ? '' : ` at ${instant(finishedAtMs, nowMs)}`;
  const last = attempts.at(-1);
  const success = attempts.find(({ verdict }) => verdict === 'destroyed');
  const by = success === undefined ? '' : ` by attempt ${success.attempt}`;
  // Under whichever of its destructions; what was sent after it was gone did not do it.
  const untilMs = outcome === 'already_gone' ? finishedAtMs : undefined;
  const acted = explanation.history.destructions.some((each) =>
    each.attempts.some((one) => one.mayHaveActed && one.slotAtMs < (untilMs ?? Infinity)),
  );
  const perhaps = acted ? '; an attempt may have destroyed it all the same' : '';
  const unlike = acted ? 'not known to be gone' : 'not destroyed';
  // Of a look that failed to its end there is no attempt.
  const reason = last?.reason ?? destruction.errorInfo?.replace(/^every attempt used up: /, '');
  const why = withCode(reason ?? 'no reason recorded', errorCode);
  switch (outcome) {
    case undefined: {
      const what = 'open in the ledger, and its job is not on the queue';
      return `${what}: it has just ended, or the job was removed; ask for the room again if this stays`;
    }
    case 'destroyed':
      return `destroyed${at}${by}; statistics saved`;
    case 'destroyed_statistics_lost':
      return `destroyed, known${at}; ${rescueOf(destruction, nowMs)}`;
    case 'already_gone': {
      const event = explanation.history.events.find(
        (each) => each.destructionId === destruction.id,
      );
      if (event !== undefined) return `already gone: ${describeEvent(event, destruction, nowMs)}`;
      return `already gone: it did not exist${at}${acted ? '; an earlier attempt may have destroyed it' : ''}`;
    }
    case 'recreated':
      return `not destroyed: a room was created again under this id, found${at}; nothing was sent for it${perhaps}`;
    case 'rejected':
      return `${unlike}: the API refused it for good${at}: ${why}${perhaps}`;
    case 'failed':
      return `not known to be gone: every attempt was used up${at}, the last with ${why}${perhaps}`;
    case 'expired':
      return `not known to be gone: its deadline passed${at}${perhaps}`;
    case 'cancelled':
      return `${unlike}: it was taken back${at}, before it was sent${perhaps}`;
    default:
      return outcome satisfies never;
  }
}

/** Where its statistics are from, although its answer had none. */
function rescueOf(destruction: KnownDestruction, nowMs: number): string {
  const { statistics, statisticsSource, snapshotAtMs } = destruction;
  if (statistics === undefined) return 'its statistics were lost on the way';
  if (statisticsSource === 'webhook')
    return 'its answer was lost, its statistics came by the webhook';
  const at = snapshotAtMs === undefined ? '' : ` of ${instant(snapshotAtMs, nowMs)}`;
  return `its answer was lost, its statistics are those${at}, before it was destroyed`;
}

/**
 * `ended by the system at 02:11:40 UTC, before it was asked for`.
 *
 * @param destruction - that it belongs to; undefined: none that is known.
 */
function describeEvent(
  { endedBy, operator, endedAtMs, statistics }: KnownEvent,
  destruction: KnownDestruction | undefined,
  nowMs: number,
): string {
  const who = operator === undefined ? 'a user' : printable(operator);
  const ended = `ended by ${endedBy === 'system' ? 'the system' : who} at ${instant(endedAtMs, nowMs)}`;
  const firstSentMs = destruction?.attempts[0]?.slotAtMs ?? destruction?.finishedAtMs;
  const when =
    destruction === undefined
      ? ''
      : endedAtMs < destruction.requestedAtMs
        ? ', before it was asked for'
        : endedAtMs < (firstSentMs ?? 0)
          ? ', after it was asked for and before it was sent'
          : '';
  return `${ended}${when}${statistics === undefined ? ', without statistics' : ''}`;
}

/** The same of all events of a room, each on a line, with what it belongs to; no lines where there are none. */
export function describeEvents({ events, destructions }: RoomHistory, nowMs: number): string[] {
  if (events.length === 0) return [];
  const lines = events.map((event) => {
    const { destructionId } = event;
    const owner = destructions.find(({ id }) => id === destructionId);
    const id = destructionId === undefined ? '' : `: destruction ${destructionId}`;
    return `  ${describeEvent(event, owner, nowMs)}${id}`;
  });
  return ['', 'what the API told of its end', ...lines];
}
