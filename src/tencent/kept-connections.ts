/**
 * Whose answer it is. HTTP/1.1 says by order alone which request an answer belongs to, and
 * Node's client gives bytes that arrive on a kept connection to the next request on it
 * (CVE-2026-48931): a server that answers twice would make one room carry another's statistics.
 *
 * Three nets: a connection on which something arrives while no request has it is closed (here);
 * so is one on which something arrives before its request was written
 * (src/tencent/prepared-request.ts); and what comes later is known by its RequestId (here).
 */
import type http from 'node:http';
import type { Duplex } from 'node:stream';

/** Makes an agent close a kept connection on which something arrives. */
export function closingOnBytes<A extends http.Agent>(agent: A): A {
  // Its types leave out that Node looks at what comes back.
  const keepSocketAlive = agent.keepSocketAlive.bind(agent) as (socket: Duplex) => boolean;
  const reuseSocket = agent.reuseSocket.bind(agent);
  agent.keepSocketAlive = (socket) => {
    socket.on('data', close);
    return keepSocketAlive(socket);
  };
  agent.reuseSocket = (socket, request) => {
    socket.off('data', close);
    reuseSocket(socket, request);
  };
  return agent;
}

function close(this: Duplex): void {
  this.destroy();
}

/** So many different ids in a row, and ids tell answers apart: a stand-in for the API may give all answers one. */
const convincing = 4;

/**
 * Of so many answers the ids are remembered: on one connection, where a fast one has dozens behind
 * it before an answer comes again, and in all, to see whether ids tell answers apart.
 */
const rememberedOnConnection = 256;
const rememberedInAll = 16;

export interface RepeatedAnswers {
  /** Notes an answer that came. @returns whether it had come on this connection before. */
  isRepeat(connection: Duplex, requestId: string | undefined): boolean;
}

export function createRepeatedAnswers(): RepeatedAnswers {
  const idsOf = new WeakMap<Duplex, string[]>();
  const recent: string[] = [];
  let differentInARow = 0;
  return {
    isRepeat(connection, requestId) {
      if (requestId === undefined) return false;
      const ids = idsOf.get(connection) ?? [];
      if (differentInARow >= convincing && ids.includes(requestId)) return true;
      differentInARow = recent.includes(requestId) ? 0 : differentInARow + 1;
      remember(recent, requestId, rememberedInAll);
      remember(ids, requestId, rememberedOnConnection);
      idsOf.set(connection, ids);
      return false;
    },
  };
}

function remember(ids: string[], id: string, most: number): void {
  ids.push(id);
  if (ids.length > most) ids.shift();
}
