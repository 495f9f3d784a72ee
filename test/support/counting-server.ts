/**
 * Servers for the tests that count what arrives, in a process of their own, so that
 * nothing a test does delays their clock. It checks signature and parameters with its own
 * code, destroys rooms, and answers by a script where a room has one.
 *
 * Every room exists until it is destroyed, and may be created again. Besides destroy_room there
 * are the commands that read: each is counted for itself, and nothing else counts them.
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

export type ReadCommand = 'get_room_info' | 'get_room_stats' | 'get_room_list';
export type Command = 'destroy_room' | ReadCommand;

/** How one command is answered. A page of get_room_list is a request for the room ''. */
export interface CommandOptions {
  /** The answers to the first requests for a room; those after them are answered as usual. */
  scripts?: Record<string, ScriptedAnswer[]>;
  /** What all requests for rooms with such a name are answered, for good. */
  permanent?: readonly { prefix: string; answer: ScriptedAnswer }[];
  /** Every answer comes this much later. */
  latencyMs?: number;
  /** Requests in a sliding second that are let through; those above answer 60007. Default: all. */
  quotaPerSecond?: number;
}

/** What is true of a room; what is left out is made up, and it was created long ago. */
export interface RoomFacts {
  name?: string;
  owner?: string;
  /** Seconds since the epoch. */
  createTime?: number;
  viewCount?: number;
  /** false: get_room_list does not tell it. */
  isPublic?: boolean;
}

/**
 * How destroy_room is answered, and what is true of the rooms. A room whose `permanent` answer
 * is `unknown` never existed, for every command; another `permanent` room exists for good.
 */
export interface CountingServerOptions extends CommandOptions {
  sdkAppId: number;
  secretKey: string;
  adminIdentifier: string;
  /** How the others are answered; `latencyMs` of destroy_room is theirs too, but for their own. */
  commands?: Partial<Record<ReadCommand, CommandOptions>>;
  /** The rooms that get_room_list tells, besides those that are created again. The rest exists as well. */
  rooms?: Record<string, RoomFacts>;
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
  /** Whether the answer held a `Response`: of destroy_room and get_room_stats, the room's statistics. */
  toldTotals?: boolean;
}

/** A room is gone. */
export interface RoomEnd {
  roomId: string;
  /** Milliseconds since the epoch. */
  atMs: number;
  /** Of the request that destroyed it; absent: no request did. */
  requestId?: string;
  /** When it was created, in seconds since the epoch. */
  createTime: number;
  /** As decimal text. */
  totals: Record<TotalName, string>;
}

/** What arrived of one command. */
export interface CommandReport {
  /** In the order of their arrival. */
  requests: ServerRequest[];
  /** Most arrivals in any sliding 1,000 ms. */
  worstWindow: number;
}

/** `requests` and `worstWindow` are those of destroy_room. */
export interface ServerReport extends CommandReport {
  commands: Record<ReadCommand, CommandReport>;
  /** The truth about every room that destroy_room was asked for; totals as decimal text. */
  rooms: Record<
    string,
    {
      requests: number;
      /** By a request, and not created again since. */
      destroyed: boolean;
      /** Of the newest room by this id. */
      totals: Record<TotalName, string>;
      /** Of the rooms by this id before it that a request destroyed; absent where there were none. */
      earlierTotals?: Record<TotalName, string>[];
    }
  >;
  /** Rules of the documentation that requests broke; this and the next three cover every command. */
  problems: string[];
  /** Every UserSig that arrived: what must not be found anywhere else. */
  signatures: string[];
  differentRandoms: number;
  /** TCP connections that were made. */
  connections: number;
  /** The instant 0 of `atMs`, in milliseconds since the epoch. */
  startedAtMs: number;
  /** When the server itself did not run. */
  stalls: Stall[];
}

type Question =
  | { type: 'open'; options: CountingServerOptions }
  | { type: 'report' }
  | { type: 'quota'; command: Command; perSecond: number }
  | { type: 'reach'; command: Command; count: number }
  | { type: 'faults'; command: Command; faults: FaultShares | undefined }
  | { type: 'recreate'; roomId: string; atMs: number }
  | { type: 'end'; roomId: string }
  | { type: 'ends'; from: number }
  | { type: 'invalidate' }
  | { type: 'close' };

export type ToServer = Question & { id: number; server: number };
export type FromServer =
  | { type: 'listening'; id: number; port: number }
  | { type: 'report'; id: number; report: ServerReport }
  | { type: 'ends'; id: number; ends: RoomEnd[] }
  | { type: 'done'; id: number };

/** Where a command can be said, it is destroy_room unless it is. */
export interface CountingServer {
  readonly url: string;
  /** Resolves once so many requests have arrived, in all. */
  reached(count: number, command?: Command): Promise<void>;
  /** From now on, faults by chance for requests that no script answers; undefined: none. */
  setFaults(faults: FaultShares | undefined, command?: Command): Promise<void>;
  /** A new room by this id, created at that instant (ms since the epoch, default now), with totals of its own. */
  recreate(roomId: string, atMs?: number): Promise<void>;
  /** The room is gone, and no request did it: as if the system had ended it. */
  end(roomId: string): Promise<void>;
  /** The rooms that are gone, in the order of their times, but for so many of the first. */
  ends(from: number): Promise<RoomEnd[]>;
  /** Every signature that arrived so far is stale from now on (70052). */
  invalidateSignatures(): Promise<void>;
  report(): Promise<ServerReport>;
  /** So many requests in a sliding second are let through from now on. */
  setQuota(perSecond: number, command?: Command): Promise<void>;
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
    async reached(count, command = 'destroy_room') {
      await ask({ type: 'reach', command, count });
    },
    async setFaults(faults, command = 'destroy_room') {
      await ask({ type: 'faults', command, faults });
    },
    async recreate(roomId, atMs = Date.now()) {
      await ask({ type: 'recreate', roomId, atMs });
    },
    async end(roomId) {
      await ask({ type: 'end', roomId });
    },
    async ends(from) {
      const answer = await ask({ type: 'ends', from });
      if (answer.type !== 'ends') throw new Error('the counting server told no ends');
      return answer.ends;
    },
    async invalidateSignatures() {
      await ask({ type: 'invalidate' });
    },
    async report() {
      const answer = await ask({ type: 'report' });
      if (answer.type !== 'report') throw new Error('the counting server gave no report');
      return answer.report;
    },
    async setQuota(perSecond, command = 'destroy_room') {
      await ask({ type: 'quota', command, perSecond });
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
    'counting-server-answer.ts',
    'counting-server-command.ts',
    'counting-server-faults.ts',
    'counting-server-rooms.ts',
    'counting-server-rules.ts',
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
