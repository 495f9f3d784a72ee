/** The history, by room: what the invariants look things up in. */
import type { ReadCommand, RoomEnd, ServerReport } from '../support/counting-server.js';
import { earliest } from '../support/stalls.js';
import { groupBy } from './group.js';
import type {
  AttemptRow,
  Created,
  DestructionRow,
  Done,
  History,
  Process,
  Told,
} from './history.js';
import type { Link } from './schedule.js';

/** A request as the server saw it, with its time on everybody's clock. */
export interface Arrival {
  atMs: number;
  /** The earliest that it can have come: the server, or the proxy before it, may not have run. */
  earliestMs: number;
  requestId: string;
  answer: string | undefined;
  acted: boolean;
  toldTotals: boolean;
}

export interface RoomFacts {
  roomId: string;
  /** Of destroy_room. */
  arrivals: Arrival[];
  /** Of get_room_stats. */
  snapshots: Arrival[];
  destructions: DestructionRow[];
  /** Each time that it went, with what is true of it. */
  ends: RoomEnd[];
  told: Told[];
  /** When it was created again. */
  created: Created[];
}

/** In milliseconds since the epoch. */
export interface Span {
  fromMs: number;
  untilMs: number;
}

export interface Facts {
  history: History;
  arrivals: Arrival[];
  arrivalsOf: Record<ReadCommand, Arrival[]>;
  rooms: Map<string, RoomFacts>;
  attemptsOf(destructionId: string): AttemptRow[];
  /** From its first request, or its end where there was none, to its end. */
  spanOf(row: DestructionRow): Span;
  processOf(workerId: string): Process | undefined;
  /** Whether something kept answers of the API from arriving in this time. */
  answerMetFault(fromMs: number, untilMs: number): boolean;
  /** Whether something kept requests from arriving at the API in this time. */
  requestMetFault(fromMs: number, untilMs: number): boolean;
  /** Whether this store could not be used for some of this time. */
  storeAway(link: Link, fromMs: number, untilMs: number): boolean;
  /** Whether bytes from a store were garbled in this time. */
  storeGarbled(fromMs: number, untilMs: number): boolean;
}

/** All clocks are one machine's; this is for what lies between reading one and writing it down. */
export const clockErrorMs = 100;

/** A forgotten connection is noticed when a question on it runs into its time limit, in milliseconds. */
const forgottenForMs = 35_000;

export function gatherFacts(history: History): Facts {
  const { server, apiProxy } = history;
  const rooms = new Map<string, RoomFacts>();
  const room = (roomId: string): RoomFacts => {
    const known = rooms.get(roomId) ?? {
      ...{ roomId, arrivals: [], snapshots: [], destructions: [] },
      ...{ ends: [], told: [], created: [] },
    };
    rooms.set(roomId, known);
    return known;
  };

  function arrivalsIn(
    requests: ServerReport['requests'],
    kind: 'arrivals' | 'snapshots' | undefined,
  ) {
    return requests.map((request): Arrival => {
      const atMs = server.startedAtMs + request.atMs;
      const arrival = {
        atMs,
        earliestMs: earliest(earliest(atMs, server.stalls), apiProxy.stalls),
        requestId: request.requestId,
        answer: request.answer,
        acted: request.acted ?? false,
        toldTotals: request.toldTotals ?? false,
      };
      if (request.askedFor !== undefined && kind !== undefined)
        room(request.askedFor)[kind].push(arrival);
      return arrival;
    });
  }
  const { get_room_info: info, get_room_stats: stats, get_room_list: list } = server.commands;
  const arrivals = arrivalsIn(server.requests, 'arrivals');
  const arrivalsOf = {
    get_room_info: arrivalsIn(info.requests, undefined),
    get_room_stats: arrivalsIn(stats.requests, 'snapshots'),
    get_room_list: arrivalsIn(list.requests, undefined),
  };
  for (const end of history.ends) room(end.roomId).ends.push(end);
  for (const told of history.told) room(told.end.roomId).told.push(told);
  for (const created of history.created) room(created.roomId).created.push(created);
  for (const row of history.destructions) room(row.room_id).destructions.push(row);
  for (const { roomId } of history.accepted) room(roomId);

  const attempts = groupBy(history.attempts, (row) => row.destruction_id);
  const processes = new Map(history.processes.map((each) => [each.workerId, each]));

  function faulted(
    fromMs: number,
    untilMs: number,
    isIt: (done: Done) => boolean,
    forgottenForMs = 0,
  ) {
    return history.done.some((done) => {
      const lasts = done.deed.kind === 'forget' ? forgottenForMs : 0;
      return done.fromMs <= untilMs && done.untilMs + lasts >= fromMs && isIt(done);
    });
  }

  function isApiLink({ deed }: Done): boolean {
    if (deed.kind === 'cut' || deed.kind === 'forget') return deed.link === 'api';
    // A delay loses nothing: it is shorter than the timeout.
    return deed.kind === 'network' && deed.link === 'api' && deed.fault.kind !== 'delay';
  }

  const attemptsOf = (id: string) => attempts.get(id) ?? [];
  return {
    history,
    arrivals,
    arrivalsOf,
    rooms,
    attemptsOf,
    spanOf({ id, finishedAtMs, requestedAtMs }) {
      const slots = attemptsOf(id).map(({ slotAtMs }) => slotAtMs);
      const endMs = finishedAtMs ?? Number.POSITIVE_INFINITY;
      return {
        fromMs: Math.min(...slots, finishedAtMs ?? requestedAtMs) - clockErrorMs,
        untilMs: Math.max(...slots, endMs) + clockErrorMs,
      };
    },
    processOf: (workerId) => processes.get(workerId),
    answerMetFault: (fromMs, untilMs) => faulted(fromMs, untilMs, isApiLink),
    requestMetFault: (fromMs, untilMs) => faulted(fromMs, untilMs, isApiLink, forgottenForMs),
    storeAway: (link, fromMs, untilMs) =>
      faulted(
        fromMs,
        untilMs,
        ({ deed }) => {
          if (deed.kind === 'kill server') return deed.server === link;
          if (deed.kind === 'freeze redis') return link === 'redis';
          return 'link' in deed && deed.link === link;
        },
        forgottenForMs,
      ),
    storeGarbled: (fromMs, untilMs) =>
      faulted(
        fromMs,
        untilMs,
        ({ deed }) =>
          deed.kind === 'network' && deed.link !== 'api' && deed.fault.kind === 'garble',
      ),
  };
}
