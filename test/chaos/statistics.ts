/**
 * What must hold of statistics, whatever tells them and in whatever order, and of rooms that are
 * created again. Each is a function from the facts to what breaks it.
 */
import type { RoomEnd } from '../support/counting-server.js';
import { clockErrorMs, type Facts, type RoomFacts } from './facts.js';
import { groupBy } from './group.js';
import type { Created, DestructionRow } from './history.js';
import { kindOf } from './rooms.js';

export type Invariant = (facts: Facts) => string[];

export const nameOf = ({ id, room_id, outcome }: DestructionRow) =>
  `${JSON.stringify(room_id)} (${id}, ${outcome ?? 'open'})`;

export function eachDestruction(
  facts: Facts,
  check: (row: DestructionRow, room: RoomFacts) => string | undefined,
): string[] {
  return [...facts.rooms.values()].flatMap((room) =>
    room.destructions.flatMap((row) => check(row, room) ?? []),
  );
}

/** An event belongs to what was sent so long after it, as clocks differ, or found its room gone so much later, in milliseconds. */
const clocksDifferMs = 5_000;
const gonePatienceMs = 24 * 3_600_000;

const totalsOf = (row: DestructionRow) => [
  row.total_viewers,
  row.total_gifts_sent,
  row.total_gift_coins,
  row.total_unique_gift_senders,
  row.total_likes_received,
];

const truthOf = ({ totals }: RoomEnd) => [
  totals.TotalViewers,
  totals.TotalGiftsSent,
  totals.TotalGiftCoins,
  totals.TotalUniqueGiftSenders,
  totals.TotalLikesReceived,
];

/** The end of the room whose totals it has: no two lives of a room have the same. */
function lifeOf(row: DestructionRow, room: RoomFacts): RoomEnd | undefined {
  const held = totalsOf(row).join();
  return room.ends.find((end) => truthOf(end).join() === held);
}

/** When the API says that it was created: it tells whole seconds. */
const createdAtMs = ({ atMs }: Created) => Math.floor(atMs / 1000) * 1000;

/** Whether a room of this id was created after the one that was meant. */
export function wasCreatedAgain(row: DestructionRow, room: RoomFacts): boolean {
  const { onlyCreatedBeforeMs: guardMs, finishedAtMs } = row;
  if (guardMs === null || finishedAtMs === null) return false;
  return room.created.some(
    (created) => created.atMs < finishedAtMs + clockErrorMs && createdAtMs(created) > guardMs,
  );
}

function wasTold(room: RoomFacts, { requestId }: RoomEnd): boolean {
  return room.arrivals.some((arrival) => arrival.requestId === requestId && arrival.toldTotals);
}

/**
 * Whether an attempt of it was given back unsent, after another one of it had begun: until then it
 * was one that may have acted, and its row is gone.
 */
export function hadOneGivenBack(facts: Facts, { id }: DestructionRow): boolean {
  return facts.attemptsOf(id).some(({ attempt }, index) => attempt !== index + 1);
}

/** Whether this destruction may stand for that end of its room: it ended it, or found it gone. */
function mayStandFor(facts: Facts, row: DestructionRow, { atMs, requestId }: RoomEnd): boolean {
  const { fromMs, untilMs } = facts.spanOf(row);
  switch (row.outcome) {
    case 'destroyed':
      return requestId !== undefined && atMs >= fromMs && atMs <= untilMs;
    case 'destroyed_statistics_lost':
      if (hadOneGivenBack(facts, row)) return atMs >= row.requestedAtMs && atMs <= untilMs;
      return (
        atMs >= Math.min(fromMs - clocksDifferMs, row.snapshotAtMs ?? fromMs) && atMs <= untilMs
      );
    case 'already_gone':
      return atMs >= fromMs - gonePatienceMs && atMs <= untilMs;
    case null:
    default:
      return false;
  }
}

/** Whether statistics of this end belong to this destruction for certain, if nobody else has them. */
function mustHave(facts: Facts, row: DestructionRow, { atMs, requestId }: RoomEnd): boolean {
  const attempts = facts.attemptsOf(row.id);
  const { fromMs, untilMs } = facts.spanOf(row);
  if (row.outcome === 'already_gone') {
    return atMs + 2 * clockErrorMs < fromMs && atMs > fromMs - gonePatienceMs / 2;
  }
  // By a request of its own, which is on record as one that may have acted.
  return (
    requestId !== undefined &&
    atMs >= fromMs &&
    atMs <= untilMs &&
    attempts.some(
      ({ slotAtMs, may_have_acted: acted, endedAtMs }) =>
        (acted === true || endedAtMs === null) && Math.abs(slotAtMs - atMs) < clocksDifferMs,
    )
  );
}

export const aboutStatistics = {
  'each destruction holds the statistics of the room that it ended, to the digit': (facts) =>
    eachDestruction(facts, (row, room) => {
      const held = totalsOf(row);
      if (held.every((total) => total === null))
        return row.outcome === 'destroyed' ? `${nameOf(row)} has none` : undefined;
      const life = lifeOf(row, room);
      if (life === undefined) {
        const truths = room.ends.map((end) => truthOf(end).join());
        return `${nameOf(row)} has ${held.join()}, the server knows ${truths.join(' and ')}`;
      }
      return mayStandFor(facts, row, life)
        ? undefined
        : `${nameOf(row)} has those of a room that ended at ${new Date(life.atMs).toISOString()}`;
    }),

  'statistics are said to be from where they came': (facts) =>
    eachDestruction(facts, (row, room) => {
      const life = lifeOf(row, room);
      const source = row.statistics_source;
      switch (source) {
        case 'response':
          if (row.outcome === 'destroyed' && life && wasTold(room, life)) return undefined;
          break;
        case 'webhook':
          if (life && room.told.some(({ end, withTotals }) => end === life && withTotals))
            return undefined;
          break;
        case 'snapshot': {
          const takenMs = row.snapshotAtMs ?? Number.NaN;
          const latestMs = takenMs + facts.history.requestTimeoutMs;
          const isTold = room.snapshots.some(
            ({ atMs, toldTotals }) =>
              toldTotals && atMs > takenMs - 2 * clockErrorMs && atMs < latestMs,
          );
          if (row.outcome === 'destroyed_statistics_lost' && life && isTold) return undefined;
          break;
        }
        case null:
        default: {
          const expected =
            row.outcome === 'destroyed_statistics_lost'
              ? 'lost'
              : row.outcome === 'already_gone'
                ? 'none'
                : null;
          if (source === expected && totalsOf(row).every((total) => total === null))
            return undefined;
        }
      }
      return `${nameOf(row)} has ${totalsOf(row).join()} from ${source ?? 'nowhere'}`;
    }),

  'no life of a room counts twice': (facts) =>
    [...facts.rooms.values()].flatMap((room) => {
      const known = room.destructions.filter((row) => lifeOf(row, room) !== undefined);
      return [...groupBy(known, (row) => lifeOf(row, room))]
        .filter(([, rows]) => rows.length > 1)
        .map(([, rows]) => rows.map(nameOf).join(' and '));
    }),

  'no row carries the statistics of another room': (facts) => {
    const owners = new Map(
      facts.history.ends.map((end) => [truthOf(end).sort().join(), end.roomId]),
    );
    return eachDestruction(facts, (row) => {
      const owner = owners.get(totalsOf(row).sort().join());
      return owner === undefined || owner === row.room_id
        ? undefined
        : `${nameOf(row)} has those of ${JSON.stringify(owner)}`;
    });
  },

  'no statistics are lost where an event told them, or a snapshot is kept': (facts) => {
    const kept = new Set(facts.history.snapshots);
    return eachDestruction(facts, (row, room) => {
      const isLost = row.statistics_source === 'lost';
      if (!isLost && row.statistics_source !== 'none') return undefined;
      if (isLost && kept.has(row.id)) return `${nameOf(row)} has a snapshot`;
      const others = new Set(room.destructions.map((other) => lifeOf(other, room)));
      const told = room.told.find(
        ({ end, withTotals }) => withTotals && !others.has(end) && mustHave(facts, row, end),
      );
      return told && `${nameOf(row)} was told of at ${new Date(told.atMs).toISOString()}`;
    });
  },

  'the sums of a batch are those of its rooms, and say where they are from': ({ history }) => {
    const rows = new Map(history.destructions.map((row) => [row.id, row]));
    return history.batches.flatMap(({ id, name, members, sums }) => {
      const its = members.flatMap((member) => rows.get(member) ?? []);
      const totals = [0, 1, 2, 3, 4].map((at) =>
        its.reduce((sum, row) => sum + BigInt(totalsOf(row)[at] ?? 0), 0n).toString(),
      );
      const from = Object.fromEntries(
        Object.keys(sums.from).map((source) => [
          source,
          its.filter((row) => row.statistics_source === source).length,
        ]),
      );
      const must = JSON.stringify({ totals, from });
      return JSON.stringify(sums) === must
        ? []
        : [`${name ?? id}: ${JSON.stringify(sums)}, must be ${must}`];
    });
  },

  'nothing is sent for a room that was created after the time that was asked for': (facts) =>
    [...facts.rooms.values()].flatMap((room) =>
      room.created.flatMap((created) =>
        room.arrivals.flatMap(({ requestId, atMs, earliestMs }) => {
          if (earliestMs < created.atMs + clockErrorMs) return [];
          const senders = room.destructions.filter((row) =>
            facts
              .attemptsOf(row.id)
              .some(
                ({ request_id: id, slotAtMs }) =>
                  id === requestId || (slotAtMs < atMs + clockErrorMs && slotAtMs > atMs - 3_000),
              ),
          );
          const isMeant = senders.some(
            ({ onlyCreatedBeforeMs: guardMs }) =>
              guardMs === null || guardMs >= createdAtMs(created),
          );
          return isMeant || senders.length === 0
            ? []
            : [`${senders.map(nameOf).join()} ${Math.round(atMs - created.atMs)} ms after it`];
        }),
      ),
    ),

  'a room that was created again lives, unless somebody asked for that one': (facts) =>
    [...facts.rooms.values()].flatMap((room) => {
      if (kindOf(room.roomId) !== 'again') return [];
      return room.created.flatMap((created) =>
        room.ends
          .filter(({ atMs }) => atMs > created.atMs)
          .map(({ requestId = 'nobody' }) => `${room.roomId} was ended by ${requestId}`),
      );
    }),
} satisfies Record<string, Invariant>;
