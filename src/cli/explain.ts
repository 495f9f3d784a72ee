/** `room-reaper explain`: why a room is still alive, or what became of it. */
import { Command } from 'commander';
import type { Statistics } from '../destruction.js';
import {
  describeEvents,
  explain,
  explanationJson,
  summaryOf,
  type Explanation,
  type KnownAttempt,
  type KnownDestruction,
  type LocatedJob,
} from '../operations/explain.js';
import { haltOf } from '../operations/line.js';
import { whyNothingMoves } from '../operations/standstill.js';
import { printable } from '../redact.js';
import { checkRoomId } from '../room-id.js';
import { count, instant, numbered, pausedBy, whyItStands } from '../text.js';
import { print, type Io } from './io.js';
import { lineStands } from './line-text.js';
import { show } from './screen.js';
import { withOwnService } from './with-service.js';

const help = `
Examples:
  room-reaper explain live-room-42
  room-reaper explain -- '-a room id that begins with a dash'
  room-reaper explain 01a2073e-32c4-70d0-899f-5e9c7571380b
  room-reaper explain live-room-42 --json

The id of a destruction shows its room. Where a room of that name was asked for, the room is
shown, and the other one named. Of the id of a batch it says which commands show that.

It asks the queue and the ledger and sends nothing. The exit code is 0 whatever became of
the room, also where it was never asked for.`;

export function explainCommand(io: Io): Command {
  return new Command('explain')
    .argument('<ROOM_ID>', 'the room, or the id of a destruction of it')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (roomId: string, flags: { json?: boolean }) => {
      checkRoomId(roomId);
      await withOwnService(
        io,
        async (service) => {
          const explanation = await explain(service, roomId);
          if (flags.json) print(io, explanationJson(explanation));
          else show(io, toText(explanation));
        },
        { readOnly: true },
      );
    });
}

export function toText(explanation: Explanation): string {
  const { roomId, nowMs, pending, history, jobs } = explanation;
  const { destructionId, namesake, batch } = explanation;
  const lines = [`${printable(roomId)}: ${summaryOf(explanation)}`];
  if (batch !== undefined)
    lines.push(
      `room-reaper status --batch ${batch.id} shows how it stands, room-reaper report ${batch.id} its rooms`,
    );
  if (destructionId !== undefined)
    lines.push(`found by the id of its destruction ${destructionId}`);
  if (namesake !== undefined)
    lines.push(`this is also the id of a destruction, of the room ${printable(namesake)}`);
  const known = history.destructions.some(({ id }) => id === pending?.id);
  if (pending !== undefined && !known) lines.push('', ...describeUnstarted(pending, nowMs));
  for (const destruction of history.destructions) {
    lines.push('', ...describeDestruction(destruction, jobs.get(destruction.id), nowMs));
  }
  const more = history.total - history.destructions.length;
  if (more > 0) lines.push('', `${numbered(more, 'older destruction')} of it not shown`);
  lines.push(...describeEvents(history, nowMs));
  lines.push('', describeLine(explanation));
  return lines.join('\n');
}

/** No worker has taken it up: the ledger does not know it yet. */
function describeUnstarted(job: LocatedJob, nowMs: number): string[] {
  const { destruction } = job;
  return [
    `destruction ${job.id}: ${stateOf(job)}, never taken up`,
    ...(destruction === undefined ? [] : [`  ${asked(destruction, destruction.batchId, nowMs)}`]),
  ];
}

function describeDestruction(
  destruction: KnownDestruction,
  job: LocatedJob | undefined,
  nowMs: number,
): string[] {
  const { id, outcome, batch, errorInfo, attempts, attemptCount, statistics } = destruction;
  const batchText =
    batch && `${batch.name === undefined ? '' : `${printable(batch.name)} `}${batch.id}`;
  const earlier = attemptCount - attempts.length;
  return [
    `destruction ${id}: ${outcome ?? (job === undefined ? 'open' : `open, ${stateOf(job)}`)}`,
    `  ${asked(destruction, batchText, nowMs)}`,
    ...(job?.place.state === 'failed'
      ? [`  in BullMQ's failed set: ${printable(job.place.reason)}`]
      : []),
    ...(earlier > 0 ? [`  ${count(earlier)} earlier attempts not shown`] : []),
    ...attempts.map((attempt) => `  ${describeAttempt(attempt, nowMs)}`),
    ...(errorInfo === undefined ? [] : [`  ErrorInfo: ${printable(errorInfo)}`]),
    ...(statistics === undefined
      ? []
      : [`  ${describeStatistics(statistics, destruction.statisticsSource)}`]),
  ];
}

function stateOf({ place, lane, failedRuns }: LocatedJob): string {
  switch (place.state) {
    case 'waiting':
      return `waiting${lane === undefined ? '' : ` in the ${lane} lane`}`;
    case 'in_hand':
      return 'in hand of a worker';
    case 'delayed':
      return failedRuns > 0 ? 'waiting for a later retry' : 'not due yet';
    case 'failed':
      return 'failed';
    default:
      return place satisfies never;
  }
}

function asked(
  { requestedAtMs, notAfterMs }: { requestedAtMs: number; notAfterMs: number },
  batch: string | undefined,
  nowMs: number,
): string {
  const inBatch = batch === undefined ? '' : `, batch ${batch}`;
  return `asked for ${instant(requestedAtMs, nowMs)}, deadline ${instant(notAfterMs, nowMs)}${inBatch}`;
}

function describeAttempt(attempt: KnownAttempt, nowMs: number): string {
  const { sentAtMs, endedAtMs, slotAtMs, verdict, reason, requestId } = attempt;
  const times = [
    `slot ${instant(slotAtMs, nowMs, true)}`,
    ...(sentAtMs === undefined ? [] : [`sent ${instant(sentAtMs, nowMs, true)}`]),
    ...(endedAtMs === undefined ? [] : [`ended ${instant(endedAtMs, nowMs, true)}`]),
  ];
  const facts = [
    ...(attempt.worker === undefined ? [] : [`worker ${printable(attempt.worker)}`]),
    ...(attempt.httpStatus === undefined ? [] : [`HTTP ${attempt.httpStatus}`]),
    ...(attempt.errorCode === undefined ? [] : [`code ${attempt.errorCode}`]),
    endedAtMs === undefined
      ? 'no answer recorded: under way, or its worker died'
      : `${verdict ?? 'no verdict'}: ${printable(reason ?? '')}`,
    ...(attempt.mayHaveActed ? ['may have destroyed the room'] : []),
    ...(requestId === undefined ? [] : [`RequestId ${printable(requestId)}`]),
  ];
  const answer =
    attempt.rawAnswer === undefined
      ? ''
      : `\n    it was answered: ${printable(attempt.rawAnswer, Infinity)}`;
  return `attempt ${attempt.attempt}: ${[...times, ...facts].join(', ')}${answer}`;
}

function describeStatistics(statistics: Statistics, source: string | undefined): string {
  const { totalViewers, totalGiftsSent, totalGiftCoins } = statistics;
  return (
    `statistics (${printable(source ?? 'unknown source')}): ${count(totalViewers)} viewers, ${count(totalGiftsSent)} gifts, ` +
    `${count(totalGiftCoins)} coins, ${count(statistics.totalUniqueGiftSenders)} gift senders, ` +
    `${count(statistics.totalLikesReceived)} likes`
  );
}

function describeLine({
  line,
  state,
  pause,
  host,
  nowMs,
  standstill,
  queueReadOnly,
}: Explanation): string {
  if (line === undefined)
    return `line of ${host}: no worker has run yet${state.kind === 'paused' ? `; ${pausedBy(pause, nowMs)}` : ''}`;
  const last =
    line.lastSlotMs === undefined ? '' : `, last slot ${instant(line.lastSlotMs, nowMs)}`;
  const halt = haltOf(state);
  if (halt !== undefined) {
    const since = `since ${instant(halt.sinceMs, nowMs)}: ${whyItStands(halt)}`;
    return halt.outage
      ? `line of ${host}: BRAKED, the API does not work ${since}; one room tries every two seconds${last}`
      : `line of ${host}: STOPPED ${since}; one room tries again at ${instant(halt.probeAtMs, nowMs)}`;
  }
  const brake = line.brakeReason === undefined ? '' : `, braked: ${printable(line.brakeReason)}`;
  const why = standstill && whyNothingMoves(standstill, queueReadOnly);
  const runs = `${lineStands(standstill, pausedBy(pause, nowMs))}${why === undefined ? '' : ` (${why})`}`;
  return `line of ${host}: ${runs}, ${line.ratePerSecond.toFixed(1)} requests/s${brake}${last}`;
}
