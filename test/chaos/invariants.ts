/**
 * What must hold whatever was done (docs/guarantees.md). Each is a function from the facts
 * to what breaks it; what the API's server and the ledger say is compared room by room.
 */
import { type Arrival, clockErrorMs, type Facts, type RoomFacts } from './facts.js';
import type { DestructionRow, History } from './history.js';
import { kindOf } from './rooms.js';
import {
  aboutStatistics,
  eachDestruction,
  hadOneGivenBack,
  type Invariant,
  nameOf,
  wasCreatedAgain,
} from './statistics.js';

/** The API's quota. */
export const quota = 200;

/** Of the commands that only read. */
const quotas = { get_room_info: 200, get_room_stats: 100, get_room_list: 10 };

/** Ten seconds for what is in flight, and a few for connections that answer nothing, in milliseconds. */
const shutdownLimitMs = 15_000;

const gone = ['destroyed', 'destroyed_statistics_lost', 'already_gone'];

/** The request that destroyed the room, while this destruction was worked on. */
function deathOf(facts: Facts, row: DestructionRow, room: RoomFacts): Arrival | undefined {
  const { fromMs, untilMs } = facts.spanOf(row);
  return room.arrivals.find(({ acted, atMs }) => acted && atMs >= fromMs && atMs <= untilMs);
}

function mayHaveActed(facts: Facts, row: DestructionRow): boolean {
  return facts
    .attemptsOf(row.id)
    .some((attempt) => attempt.may_have_acted === true || attempt.endedAtMs === null);
}

function tooClose(arrivals: readonly Arrival[], most: number): string[] {
  return arrivals.flatMap((last, index) => {
    const first = arrivals[index - most];
    if (first === undefined || last.atMs - first.earliestMs >= 1000) return [];
    return [`${most + 1} within ${(last.atMs - first.earliestMs).toFixed(1)} ms`];
  });
}

/** A driver that reads what no store says may give up with an error that nobody can catch. */
function isBrokenByBytes(
  facts: Facts,
  { code, atMs }: NonNullable<History['processes'][number]['end']>,
): boolean {
  return code === 1 && facts.storeGarbled(atMs - 2_000, atMs);
}

export const invariants = {
  ...aboutStatistics,

  'each accepted request has exactly one outcome': (facts) => {
    const ended = new Map(facts.history.destructions.map((row) => [row.id, row.outcome !== null]));
    const accepted = new Set(facts.history.accepted.map(({ roomId }) => roomId));
    return [
      ...facts.history.accepted.flatMap(({ roomId, destructionId, atMs }) => {
        const rows = facts.rooms.get(roomId)?.destructions ?? [];
        // An id that came while the bytes of Redis were garbled may not be what Redis said.
        const isTold = destructionId !== undefined && !facts.storeGarbled(atMs - 5_000, atMs);
        const known = isTold ? ended.has(destructionId) : rows.length > 0;
        return known
          ? []
          : [`${JSON.stringify(roomId)} (${destructionId ?? 'no id'}) is forgotten`];
      }),
      ...eachDestruction(facts, (row) =>
        row.outcome === null ? `${nameOf(row)} has none` : undefined,
      ),
      ...eachDestruction(facts, (row) =>
        accepted.has(row.room_id) ? undefined : `${nameOf(row)} was asked for by nobody`,
      ),
    ];
  },

  'each request is answered: taken, or refused and asked again': ({ history }) =>
    history.unanswered,

  'no room is called gone that the server still has': (facts) =>
    eachDestruction(facts, (row, room) => {
      if (!gone.includes(row.outcome ?? '') || kindOf(room.roomId) === 'ghost') return undefined;
      const { untilMs } = facts.spanOf(row);
      return room.ends.some(({ atMs }) => atMs <= untilMs) ? undefined : nameOf(row);
    }),

  'already_gone is said only of rooms that never existed or had been destroyed before': (facts) =>
    eachDestruction(facts, (row, room) => {
      if (row.outcome !== 'already_gone') return undefined;
      const death = deathOf(facts, row, room);
      const firstSlotMs = facts.attemptsOf(row.id)[0]?.slotAtMs ?? Number.POSITIVE_INFINITY;
      if (death === undefined || death.atMs < firstSlotMs) return undefined;
      return `${nameOf(row)}: its own attempt destroyed it`;
    }),

  'where the ledger lacks the statistics of a destroyed room it says that they are lost': (facts) =>
    [...facts.rooms.values()].flatMap((room) =>
      room.ends.flatMap(({ atMs, requestId }) => {
        if (requestId === undefined) return [];
        const rows = room.destructions.filter((row) => {
          const { fromMs, untilMs } = facts.spanOf(row);
          return atMs >= fromMs && atMs <= untilMs;
        });
        const outcomes = rows.map(({ outcome }) => outcome);
        if (outcomes.includes('destroyed') || outcomes.includes('destroyed_statistics_lost'))
          return [];
        // It did not end before its deadline; that an attempt may have acted is on record.
        const expired = rows.find(({ outcome }) => outcome === 'expired');
        if (expired !== undefined && mayHaveActed(facts, expired)) return [];
        return [`${JSON.stringify(room.roomId)}, destroyed by ${requestId}, is ${outcomes.join()}`];
      }),
    ),

  'statistics are called lost only where an attempt may have acted': (facts) =>
    eachDestruction(facts, (row) => {
      if (row.outcome !== 'destroyed_statistics_lost' || row.error_code === 0) return undefined;
      return mayHaveActed(facts, row) || hadOneGivenBack(facts, row) ? undefined : nameOf(row);
    }),

  'statistics are lost only to a fault that the answer met': (facts) =>
    eachDestruction(facts, (row, room) => {
      if (row.outcome !== 'destroyed_statistics_lost') return undefined;
      const death = deathOf(facts, row, room);
      if (death === undefined || !death.toldTotals) return undefined;
      // Under an earlier destruction, which has them, or lost them itself.
      const [firstAttempt] = facts.attemptsOf(row.id);
      if (firstAttempt !== undefined && death.atMs < firstAttempt.slotAtMs) return undefined;
      // The answer to another room came once more in its place, and the connection was closed.
      const { atMs } = death;
      const isDisplaced = facts
        .attemptsOf(row.id)
        .some(
          ({ slotAtMs, reason }) =>
            slotAtMs < atMs + clockErrorMs && reason?.includes('ERR_REPEATED_ANSWER'),
        );
      if (isDisplaced) return undefined;
      const untilMs = death.atMs + facts.history.requestTimeoutMs + 500;
      if (facts.answerMetFault(death.atMs - clockErrorMs, untilMs)) return undefined;
      const fatal = facts
        .attemptsOf(row.id)
        .filter(({ slotAtMs }) => Math.abs(slotAtMs - death.atMs) < 2 * clockErrorMs + 500)
        .map((attempt) => ({ attempt, process: facts.processOf(attempt.worker_id) }));
      const killed = fatal.some(({ attempt, process }) => {
        const end = process?.end;
        if (end === undefined || attempt.endedAtMs !== null) return false;
        if (end.signal !== 'SIGKILL' && !isBrokenByBytes(facts, end)) return false;
        // Its answer was in memory for as long as nobody could save it.
        const soon = end.atMs < untilMs;
        return soon || facts.storeAway('postgres', death.atMs, end.atMs);
      });
      if (killed) return undefined;
      const told = fatal.map(({ attempt: { attempt, reason, endedAtMs } }) => {
        const after =
          endedAtMs === null ? 'no end' : `${Math.round(endedAtMs - death.atMs)} ms later`;
        return `attempt ${attempt}: ${reason ?? 'nothing'}, ${after}`;
      });
      return `${nameOf(row)} was told at ${facts.history.seed}+${Math.round(death.atMs - facts.history.faults.fromMs)} ms: ${told.join('; ')}`;
    }),

  'a room whose outcome is committed is not asked for again': (facts) =>
    eachDestruction(facts, (row, room) => {
      const finishedMs = row.finishedAtMs;
      if (finishedMs === null) return undefined;
      const late = room.arrivals.find(({ earliestMs }) => {
        if (earliestMs <= finishedMs + clockErrorMs) return false;
        const others = room.destructions.some(
          (other) =>
            other.id !== row.id &&
            other.requestedAtMs <= earliestMs + clockErrorMs &&
            (other.finishedAtMs ?? Number.POSITIVE_INFINITY) >= earliestMs - clockErrorMs,
        );
        if (others) return false;
        // Two workers had the job: the slot of the second was granted before the first was done.
        const slots = facts.attemptsOf(row.id);
        const twoWorkers = new Set(slots.map(({ worker_id }) => worker_id)).size > 1;
        return !(twoWorkers && earliestMs < finishedMs + 1_000);
      });
      return late && `${nameOf(row)} ${Math.round(late.atMs - finishedMs)} ms after its end`;
    }),

  'in any sliding second at most 200 requests arrive': ({ arrivals }) => tooClose(arrivals, quota),

  'every command keeps a quota of its own at the door': ({ arrivalsOf }) =>
    Object.entries(quotas).flatMap(([command, most]) => {
      const all = arrivalsOf[command as keyof typeof quotas];
      return tooClose(all, most).map((close) => `${command}: ${close}`);
    }),

  'every request at the server is an attempt in the ledger': (facts) =>
    [...facts.rooms.values()].flatMap(({ roomId, arrivals, destructions }) => {
      const rows = destructions.flatMap(({ id }) => facts.attemptsOf(id));
      return arrivals.length <= rows.length
        ? []
        : [`${JSON.stringify(roomId)}: ${arrivals.length} requests, ${rows.length} attempts`];
    }),

  'every attempt that was sent has arrived, or its connection met a fault': (facts) =>
    [...facts.rooms.values()].flatMap(({ roomId, arrivals, destructions }) => {
      const sent = destructions
        .flatMap(({ id }) => facts.attemptsOf(id))
        .filter(({ sentAtMs }) => sentAtMs !== null);
      const faulted = sent.filter(({ sentAtMs, endedAtMs, http_status }) => {
        const from = (sentAtMs ?? 0) - 3 * clockErrorMs;
        return (
          http_status === null && facts.requestMetFault(from, (endedAtMs ?? from) + clockErrorMs)
        );
      });
      return sent.length - faulted.length <= arrivals.length
        ? []
        : [`${JSON.stringify(roomId)}: ${sent.length} sent, ${arrivals.length} arrived`];
    }),

  'nothing is sent after its deadline': (facts) =>
    eachDestruction(facts, (row, room) => {
      const late = room.arrivals.find(
        ({ earliestMs }) =>
          earliestMs > row.notAfterMs + clockErrorMs &&
          earliestMs >= row.requestedAtMs &&
          earliestMs <= (row.finishedAtMs ?? Number.POSITIVE_INFINITY),
      );
      return late && `${nameOf(row)} ${Math.round(late.atMs - row.notAfterMs)} ms after it`;
    }),

  'a room is not gone only where it was refused, expired or was created again': (facts) =>
    eachDestruction(facts, (row, room) => {
      if (row.outcome === null || gone.includes(row.outcome)) return undefined;
      if (row.outcome === 'recreated' && wasCreatedAgain(row, room)) return undefined;
      const kind = kindOf(room.roomId);
      if (row.outcome === 'rejected' && kind === 'refused') return undefined;
      if (row.outcome === 'expired' && kind === 'brief') return undefined;
      return nameOf(row);
    }),

  'no job is left on the queue, and its failed set is what the ledger calls not gone': (facts) => {
    const { queue, destructions, emptyAtMs } = facts.history;
    const left = Object.entries(queue.counts).filter(([state, n]) => n > 0 && state !== 'failed');
    const leaves = [...gone, 'recreated'];
    const replaced = new Set(facts.history.replaced);
    const notGone = new Set(
      destructions
        .filter(({ id, outcome }) => !leaves.includes(outcome ?? '') && !replaced.has(id))
        .map(({ id }) => id),
    );
    const failed = new Set(queue.failed.map(({ id }) => id));
    return [
      ...(emptyAtMs === undefined ? ['it did not become empty'] : []),
      ...left.map(([state, count]) => `${count} ${state}`),
      ...queue.failed
        // Where the bytes of a store were garbled, only the ledger is right for certain.
        .filter(({ id, atMs }) => !notGone.has(id) && !facts.storeGarbled(atMs - 5_000, atMs))
        .map(({ id, reason }) => `${id} failed: ${reason}`),
      ...[...notGone].filter((id) => !failed.has(id)).map((id) => `${id} is not in the failed set`),
    ];
  },

  'the counters of a batch are its rows, and it is finished': (facts) => {
    const { batches, batchesAccepted } = facts.history;
    const missing = batchesAccepted.filter((name) => !batches.some((batch) => batch.name === name));
    return [
      ...missing.map((name) => `${name} is not in the ledger`),
      ...batches.flatMap(({ id, name, total, joined, finished, counters, rows }) => {
        const shown = `${name ?? id}: ${JSON.stringify({ total, joined, finished, counters, rows })}`;
        const sum = Object.values(counters).reduce((all, count) => all + count, 0);
        const agree = JSON.stringify(counters) === JSON.stringify(rows);
        return agree && finished && sum + joined >= total ? [] : [shown];
      }),
    ];
  },

  'no worker ends by itself, and one that is told to stop exits with 0': (facts) =>
    facts.history.processes.flatMap(({ place, workerId, end, signals, output }) => {
      const names = signals.map(({ name }) => name);
      const last = output.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
      if (end === undefined) return [`worker ${place} never ended`];
      if (names.includes('SIGKILL')) return [];
      // One that finds a store away at its start says so and exits.
      if (workerId === undefined && end.code === 2) return [];
      if (isBrokenByBytes(facts, end)) return [];
      const stopped = names.includes('SIGTERM');
      return stopped && (end.code === 0 || workerId === undefined)
        ? []
        : [`worker ${place} ended with ${end.signal ?? end.code ?? '?'}: ${last}`];
    }),

  'a worker that is told to stop exits within 15 s': ({ history }) =>
    history.processes.flatMap(({ place, end, signals }) => {
      const told = signals.find(({ name }) => name === 'SIGTERM');
      const frozen = signals.some(({ name }) => name === 'SIGSTOP');
      if (told === undefined || end === undefined || frozen) return [];
      const tookMs = end.atMs - told.atMs;
      return tookMs <= shutdownLimitMs ? [] : [`worker ${place} took ${Math.round(tookMs)} ms`];
    }),

  'every request keeps the rules of the documentation': ({ history }) => [
    ...new Set(history.server.problems),
  ],

  'no secret is in any output, on the queue or in the ledger': ({ history }) =>
    history.texts.flatMap(({ name, text }) => [
      ...history.secrets
        .filter((secret) => text.includes(secret) || text.includes(encodeURIComponent(secret)))
        .map(() => `${name} holds one`),
      ...(/usersig=|[?&](sdkappid|identifier|random|contenttype)=/i.test(text)
        ? [`${name} holds a query`]
        : []),
    ]),
} satisfies Record<string, Invariant>;

export type InvariantName = keyof typeof invariants;
