/**
 * Servers for the tests that count what arrives, in a process of their own, so that
 * nothing a test does delays their clock. It checks signature and parameters with its own
 * code, destroys rooms, and answers by a script where a room has one.
 *
 * Every room exists until it is destroyed.
 */
import type { FaultShares } from './counting-server-faults.js';
import type { Stall } from './stalls.js';
import { forkTypeScript, giveWay } from './typescript-process.js';

/** What one request for a room is answered; `acts`: the room is destroyed all the same. */
export type ScriptedAnswer = { latencyMs?: number } & (
  | { kind: 'usual' }
  /** An ErrorCode. */
  | { kind: 'code'; code: number; acts?: boolean }
  /** An HTTP status with a page of HTML. */
  | { kind: 'status'; status: number; acts?: boolean }
  /** The connection is cut without an answer. */
  | { kind: 'cut'; acts?: boolean }
  /** No answer, ever. */
  | { kind: 'hang'; acts?: boolean }
  /** A body that is not JSON. */
  | { kind: 'garbage'; acts?: boolean }
  /** Destroyed, and no `Response` in the answer. */
  | { kind: 'noresponse' }
  /** Destroyed, and the same answer once more, so much later on the same connection. */
  | { kind: 'twice'; againMs: number }
  /** 100004: the room never existed. */
  | { kind: 'unknown' }
);

export type TotalName =
  | 'TotalViewers'
  | 'TotalGiftsSent'
  | 'TotalGiftCoins'
  | 'TotalUniqueGiftSenders'
  | 'TotalLikesReceived';

export interface CountingServerOptions {
  sdkAppId: number;
  secretKey: string;
  adminIdentifier: string;
  /** The answers to the first requests for a room; those after them are answered as usual. */
  scripts?: Record<string, ScriptedAnswer[]>;
  /** What all requests for rooms with such a name are answered, for good. */
  permanent?: readonly { prefix: string; answer: ScriptedAnswer }[];
  /** Every answer comes this much later. */
  latencyMs?: number;
  /** Requests in a sliding second that are let through; those above answer 60007. Default: all. */
  quotaPerSecond?: number;
}

export interface ServerRequest {
  /** When it arrived, on the server's own monotonic clock, in milliseconds. */
  atMs: number;
  requestId: string;
  /** Absent where the request was refused. */
  roomId?: string;
  /** The RoomId in its body, also where it was refused. */
  askedFor?: string;
  /** This request destroyed the room. */
  acted?: boolean;
  answer?: ScriptedAnswer['kind'];
  httpStatus?: number;
  errorCode?: number;
  /** Whether the answer held the room's statistics. */
  toldTotals?: boolean;
}

export interface ServerReport {
  /** In the order of their arrival. */
  requests: ServerRequest[];
  /** The truth about every room asked for; totals as decimal text. */
  rooms: Record<
    string,
    { requests: number; destroyed: boolean; totals: Record<TotalName, string> }
  >;
  /** Most arrivals in any sliding 1,000 ms. */
  worstWindow: number;
  /** Rules of the documentation that requests broke. */
  problems: string[];
  /** Every UserSig that arrived: what must not be found anywhere else. */
  signatures: string[];
  differentRandoms: number;
  /** TCP connections that were made. */
  connections: number;
  /** Requests for get_room_info, which nothing above counts but `problems`, `signatures` and `differentRandoms`. */
  roomInfoRequests: number;
  /** The instant 0 of `atMs`, in milliseconds since the epoch. */
  startedAtMs: number;
  /** When the server itself did not run. */
  stalls: Stall[];
}

type Question =
  | { type: 'open'; options: CountingServerOptions }
  | { type: 'report' }
  | { type: 'quota'; perSecond: number }
  | { type: 'reach'; count: number }
  | { type: 'faults'; faults: FaultShares | undefined }
  | { type: 'invalidate' }
  | { type: 'close' };

export type ToServer = Question & { id: number; server: number };
export type FromServer =
  | { type: 'listening'; id: number; port: number }
  | { type: 'report'; id: number; report: ServerReport }
  | { type: 'done'; id: number };

export interface CountingServer {
  readonly url: string;
  /** Resolves once so many requests have arrived, in all. */
  reached(count: number): Promise<void>;
  /** From now on, faults by chance for requests that no script answers; undefined: none. */
  setFaults(faults: FaultShares | undefined): Promise<void>;
  /** Every signature that arrived so far is stale from now on (70052). */
  invalidateSignatures(): Promise<void>;
  report(): Promise<ServerReport>;
  /** So many requests in a sliding second are let through from now on. */
  setQuota(perSecond: number): Promise<void>;
  close(): Promise<void>;
}

/** The process that all counting servers of this one are in. */
let host: ((server: number, question: Question) => Promise<FromServer>) | undefined;
let servers = 0;

export async function startCountingServer(options: CountingServerOptions): Promise<CountingServer> {
  host ??= startHost();
  const number = ++servers;
  const ask = host.bind(undefined, number);
  const opened = await ask({ type: 'open', options });
  if (opened.type !== 'listening') throw new Error('the counting server did not start');
  let closing: Promise<unknown> | undefined;
  return {
    url: `http://127.0.0.1:${opened.port}`,
    async reached(count) {
      await ask({ type: 'reach', count });
    },
    async setFaults(faults) {
      await ask({ type: 'faults', faults });
    },
    async invalidateSignatures() {
      await ask({ type: 'invalidate' });
    },
    async report() {
      const answer = await ask({ type: 'report' });
      if (answer.type !== 'report') throw new Error('the counting server gave no report');
      return answer.report;
    },
    async setQuota(perSecond) {
      await ask({ type: 'quota', perSecond });
    },
    async close() {
      await (closing ??= ask({ type: 'close' }));
    },
  };
}

function startHost(): NonNullable<typeof host> {
  const { child, remove } = forkTypeScript([
    'counting-server-process.ts',
    'counting-server-instance.ts',
    'counting-server-faults.ts',
    'counting-server-signature.ts',
    'stalls.ts',
  ]);
  giveWay(child);
  const waiting = new Map<
    number,
    { resolve: (message: FromServer) => void; reject: (error: Error) => void }
  >();
  let lastId = 0;
  // By then the process has read its files.
  child.once('message', remove);
  child.on('message', (message: FromServer) => {
    waiting.get(message.id)?.resolve(message);
    waiting.delete(message.id);
    holdWhileAsked();
  });
  child.once('exit', () => {
    remove();
    host = undefined;
    for (const { reject } of waiting.values()) reject(new Error('the counting server ended'));
  });
  /** It ends with this process, which it must not keep from ending. */
  function holdWhileAsked(): void {
    if (waiting.size > 0) child.channel?.ref();
    else child.channel?.unref();
  }
  child.unref();

  return (server, question) =>
    new Promise<FromServer>((resolve, reject) => {
      const id = (lastId += 1);
      waiting.set(id, { resolve, reject });
      holdWhileAsked();
      child.send({ ...question, id, server } satisfies ToServer);
    });
}
