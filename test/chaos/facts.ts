/** The history, by room: what the invariants look things up in. */
import { earliest } from '../support/stalls.js';
import { groupBy } from './group.js';
import type { AttemptRow, DestructionRow, History, Process } from './history.js';
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
  /** Whether something kept answers or requests on the way to the API in this time. */
  apiLinkFaulted(fromMs: number, untilMs: number): boolean;
  /** Whether this store could not be used for some of this time. */
  storeAway(link: Link, fromMs: number, untilMs: number): boolean;
  /** Whether bytes from a store were garbled in this time. */
  storeGarbled(fromMs: number, untilMs: number): boolean;
}

/** All clocks are one machine's; this is for what lies between reading one and writing it down. */
export const clockErrorMs = 100;

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
    isIt: (target: History['done'][number]) => boolean,
  ) {
    return history.done.some(
      (done) => done.fromMs <= untilMs && done.untilMs >= fromMs && isIt(done),
    );
  }

  return {
    history,
    arrivals,
    rooms,
    attemptsOf: (id) => attempts.get(id) ?? [],
    processOf: (workerId) => processes.get(workerId),
    apiLinkFaulted: (fromMs, untilMs) =>
      faulted(fromMs, untilMs, ({ deed }) => {
        if (deed.kind === 'cut') return deed.link === 'api';
        // A delay loses nothing: it is shorter than the timeout.
        return deed.kind === 'network' && deed.link === 'api' && deed.fault.kind !== 'delay';
      }),
    storeAway: (link, fromMs, untilMs) =>
      faulted(fromMs, untilMs, ({ deed }) => {
        if (deed.kind === 'kill server') return deed.server === link;
        if (deed.kind === 'freeze redis') return link === 'redis';
        return (deed.kind === 'cut' || deed.kind === 'network') && deed.link === link;
      }),
    storeGarbled: (fromMs, untilMs) =>
      faulted(
        fromMs,
        untilMs,
        ({ deed }) =>
          deed.kind === 'network' && deed.link !== 'api' && deed.fault.kind === 'garble',
      ),
  };
}
