/** The history, by room: what the invariants look things up in. */
import { earliest } from '../support/stalls.js';
import { groupBy } from './group.js';
import type { AttemptRow, DestructionRow, Done, History, Process } from './history.js';
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
  arrivals: Arrival[];
  destructions: DestructionRow[];
}

export interface Facts {
  history: History;
  arrivals: Arrival[];
  rooms: Map<string, RoomFacts>;
  attemptsOf(destructionId: string): AttemptRow[];
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
    const known = rooms.get(roomId) ?? { roomId, arrivals: [], destructions: [] };
    rooms.set(roomId, known);
    return known;
  };

  const arrivals = server.requests.map((request): Arrival => {
    const atMs = server.startedAtMs + request.atMs;
    const arrival = {
      atMs,
      earliestMs: earliest(earliest(atMs, server.stalls), apiProxy.stalls),
      requestId: request.requestId,
      answer: request.answer,
      acted: request.acted ?? false,
      toldTotals: request.toldTotals ?? false,
    };
    if (request.askedFor !== undefined) room(request.askedFor).arrivals.push(arrival);
    return arrival;
  });
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

  return {
    history,
    arrivals,
    rooms,
    attemptsOf: (id) => attempts.get(id) ?? [],
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
