/** One counting server: what arrives at one port, and what it is answered. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type {
  CountingServerOptions,
  ScriptedAnswer,
  ServerReport,
  TotalName,
} from './counting-server.js';
import { faultFor, type FaultShares } from './counting-server-faults.js';
import { checkSignature } from './counting-server-signature.js';
import { watchStalls } from './stalls.js';

const path = '/v4/live_engine_http_srv/destroy_room';
const roomInfoPath = '/v4/live_engine_http_srv/get_room_info';
const totalNames = [
  'TotalViewers',
  'TotalGiftsSent',
  'TotalGiftCoins',
  'TotalUniqueGiftSenders',
  'TotalLikesReceived',
] as const satisfies readonly TotalName[];

type Totals = Record<TotalName, bigint>;

/** Any whole numbers, different for every room; one room in fifty is beyond what a double holds. */
function totalsOf(roomId: string): Totals {
  const digest = createHash('sha256').update(roomId).digest();
  const totals = totalNames.map((_, index) => BigInt(digest.readUInt32BE(index * 4) % 1_000_000));
  const beyondDouble = (digest[20] ?? 0) % 50 === 0 ? 2n ** 53n + 1n : 0n;
  return Object.fromEntries(
    totalNames.map((name, index) => [
      name,
      (totals[index] ?? 0n) + (name === 'TotalGiftCoins' ? beyondDouble : 0n),
    ]),
  ) as Totals;
}

/** By hand: JSON.stringify refuses a bigint. */
function successBody(requestId: string, totals: Totals | undefined): string {
  const response =
    totals === undefined
      ? ''
      : `,"Response":{"Statistic":{${totalNames.map((name) => `"${name}":${totals[name]}`).join(',')}}}`;
  return `{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"${requestId}"${response}}`;
}

function failureBody(requestId: string, code: number): string {
  return JSON.stringify({
    ErrorCode: code,
    ErrorInfo: `said code ${code}`,
    ActionStatus: 'FAIL',
    RequestId: requestId,
  });
}

export interface Instance {
  port: number;
  report: () => ServerReport;
  setQuota: (perSecond: number) => void;
  setFaults: (shares: FaultShares | undefined) => void;
  /** Calls `reached` once so many requests have arrived, in all. */
  whenReached: (count: number, reached: () => void) => void;
  invalidateSignatures: () => void;
  close: () => void;
}

/** When this process did not run, as all of its instances report it. */
const watch = watchStalls();
let instances = 0;
let open = 0;

export async function openInstance(options: CountingServerOptions): Promise<Instance> {
  /** In every RequestId, which no other server gives. */
  const name = `${process.pid}-${++instances}`;
  const scripts = new Map(Object.entries(options.scripts ?? {}));
  const requests: ServerReport['requests'] = [];
  const destroyed = new Set<string>();
  const problems: string[] = [];
  const signatures = new Set<string>();
  let invalidated = new Set<string>();
  let faults: FaultShares | undefined;
  /** How often a room was asked for. */
  const asked = new Map<string, number>();
  const randoms = new Set<string>();
  let connections = 0;
  let quotaPerSecond = options.quotaPerSecond ?? Number.POSITIVE_INFINITY;
  /** When the requests of the last second were let through. */
  const letThrough: number[] = [];
  let roomInfoRequests = 0;
  const waiters: { count: number; reached: () => void }[] = [];

  /** The RoomId, or the ErrorCode of a request that breaks a rule; rules broken are noted. */
  function check(
    request: IncomingMessage,
    body: string,
    expectedPath = path,
  ): { roomId: string } | { code: number } {
    const url = new URL(request.url ?? '/', 'http://server');
    const query = url.searchParams;
    const refuse = (code: number, problem: string) => {
      problems.push(problem);
      return { code };
    };
    if (request.method !== 'POST') return refuse(60002, `method ${request.method ?? ''}`);
    if (url.pathname !== expectedPath) return refuse(60002, `path ${url.pathname}`);
    const names = [...query.keys()].sort().join();
    if (names !== 'contenttype,identifier,random,sdkappid,usersig') {
      return refuse(60025, `parameters ${names}`);
    }
    if (query.get('contenttype') !== 'json') return refuse(60025, 'contenttype');
    if (query.get('sdkappid') !== String(options.sdkAppId)) return refuse(60006, 'sdkappid');
    if (query.get('identifier') !== options.adminIdentifier) return refuse(60010, 'identifier');
    const random = query.get('random') ?? '';
    if (!/^(0|[1-9]\d{0,9})$/.test(random) || Number(random) >= 2 ** 32) {
      return refuse(60025, `random ${random}`);
    }
    randoms.add(random);
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
      problems.push(`content type ${request.headers['content-type'] ?? 'absent'}`);
    }
    const signature = query.get('usersig') ?? '';
    signatures.add(signature);
    if (invalidated.has(signature)) return { code: 70052 };
    const { code, problem } = checkSignature(signature, options);
    if (problem !== undefined) problems.push(problem);
    if (code !== 0) return { code };
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      return refuse(60003, 'body is not JSON');
    }
    const keys = Object.keys(parsed as object).join();
    if (keys !== 'RoomId') return refuse(100002, `body has ${keys}`);
    const { RoomId: roomId } = parsed as { RoomId: unknown };
    if (typeof roomId !== 'string' || !/^[ -~]{1,48}$/.test(roomId)) {
      return refuse(100002, 'RoomId is not one');
    }
    return { roomId };
  }

  /** A room that is refused for good, or never existed, is never destroyed. */
  function exists(roomId: string): boolean {
    const never = options.permanent?.some(({ prefix }) => roomId.startsWith(prefix));
    return !never && !destroyed.has(roomId);
  }

  /** Whether it is answered by what becomes of the room. */
  function isUsual(answer: ScriptedAnswer | undefined): boolean {
    return answer?.kind === 'usual' || answer?.kind === 'noresponse' || answer?.kind === 'twice';
  }

  /** A script has the first word, then what is so for good, then chance. */
  function answerFor(roomId: string): ScriptedAnswer {
    const before = asked.get(roomId) ?? 0;
    asked.set(roomId, before + 1);
    const permanent = options.permanent?.find(({ prefix }) => roomId.startsWith(prefix))?.answer;
    const fault = faults && faultFor(faults, roomId, before);
    return (
      scripts.get(roomId)?.shift() ??
      // What is never destroyed cannot be answered as if it had been.
      (permanent !== undefined && isUsual(fault) ? permanent : fault) ??
      permanent ?? { kind: 'usual' }
    );
  }

  /** Past Node's server, which writes one answer to one request. */
  function again(socket: Socket, text: string): void {
    if (socket.destroyed) return;
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  }

  function act(
    request: IncomingMessage,
    response: ServerResponse,
    body: string,
    entry: ServerReport['requests'][number],
  ): void {
    const { requestId } = entry;
    const send = (status: number, text: string) => {
      entry.httpStatus = status;
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
    const fail = (code: number) => {
      entry.errorCode = code;
      send(200, failureBody(requestId, code));
    };
    const [, askedFor] = /^\{"RoomId":"(.*)"\}$/.exec(body) ?? [];
    if (askedFor !== undefined) entry.askedFor = askedFor;
    const checked = check(request, body);
    if ('code' in checked) {
      fail(checked.code);
      return;
    }
    while (entry.atMs - (letThrough[0] ?? entry.atMs) >= 1000) letThrough.shift();
    if (letThrough.length >= quotaPerSecond) {
      fail(60007);
      return;
    }
    letThrough.push(entry.atMs);
    const { roomId } = checked;
    entry.roomId = roomId;
    const answer = answerFor(roomId);
    entry.answer = answer.kind;

    const existed = exists(roomId) && answer.kind !== 'unknown';
    const acts = isUsual(answer) || ('acts' in answer && answer.acts);
    if (acts && existed) {
      destroyed.add(roomId);
      entry.acted = true;
    }

    const answerNow = () => {
      if (answer.kind === 'unknown' || (isUsual(answer) && !existed)) {
        fail(100004);
        return;
      }
      switch (answer.kind) {
        case 'code':
          fail(answer.code);
          break;
        case 'status':
          send(answer.status, '<html>no</html>');
          break;
        case 'cut':
          request.socket.destroy();
          break;
        case 'hang':
          break;
        case 'garbage':
          send(200, '{"ErrorCode":0,');
          break;
        case 'noresponse':
        case 'twice':
        case 'usual': {
          entry.errorCode = 0;
          entry.toldTotals = answer.kind !== 'noresponse';
          const text = successBody(requestId, entry.toldTotals ? totalsOf(roomId) : undefined);
          send(200, text);
          if (answer.kind === 'twice') setTimeout(again, answer.againMs, request.socket, text);
          break;
        }
        default:
          answer satisfies never;
      }
    };
    const latencyMs = (answer.latencyMs ?? 0) + (options.latencyMs ?? 0);
    if (latencyMs > 0) setTimeout(answerNow, latencyMs);
    else answerNow();
  }

  /** Reads a room and changes nothing: no arrival of the command that is counted. */
  function tellRoomInfo(request: IncomingMessage, response: ServerResponse, body: string): void {
    roomInfoRequests += 1;
    const requestId = `Id-info-${roomInfoRequests}-${name}`;
    const checked = check(request, body, roomInfoPath);
    const code = 'code' in checked ? checked.code : 100004;
    // A room that was never asked for does not exist, as far as this command is used.
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(failureBody(requestId, code));
  }

  /** Most arrivals in any 1,000 ms, both ends counted in only once: [t, t + 1000). */
  function worstWindow(): number {
    let worst = 0;
    for (let first = 0, last = 0; last < requests.length; last++) {
      while ((requests[last]?.atMs ?? 0) - (requests[first]?.atMs ?? 0) >= 1000) first += 1;
      worst = Math.max(worst, last - first + 1);
    }
    return worst;
  }

  function report(): ServerReport {
    const rooms = new Map<string, ServerReport['rooms'][string]>();
    for (const { roomId } of requests) {
      if (roomId === undefined) continue;
      const room = rooms.get(roomId);
      if (room !== undefined) room.requests += 1;
      else {
        const totals = totalsOf(roomId);
        rooms.set(roomId, {
          requests: 1,
          destroyed: destroyed.has(roomId),
          totals: Object.fromEntries(
            totalNames.map((name) => [name, totals[name].toString()]),
          ) as Record<TotalName, string>,
        });
      }
    }
    return {
      requests,
      rooms: Object.fromEntries(rooms),
      worstWindow: worstWindow(),
      problems,
      signatures: [...signatures],
      differentRandoms: randoms.size,
      connections,
      roomInfoRequests,
      startedAtMs: performance.timeOrigin,
      stalls: watch.stalls,
    };
  }

  const server = createServer((request, response) => {
    if (request.url?.startsWith(`${roomInfoPath}?`)) {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => tellRoomInfo(request, response, Buffer.concat(parts).toString()));
      return;
    }
    const entry: ServerReport['requests'][number] = {
      // The instant that counts: everything else comes after it.
      atMs: performance.now(),
      requestId: `Id-${requests.length + 1}-${name}`,
    };
    watch.stamped();
    requests.push(entry);
    for (const waiter of waiters.filter(({ count }) => count <= requests.length)) {
      waiters.splice(waiters.indexOf(waiter), 1);
      waiter.reached();
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => act(request, response, Buffer.concat(chunks).toString(), entry));
  });

  server.on('connection', () => {
    connections += 1;
  });

  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open += 1;
  watch.start();
  return {
    port: (server.address() as AddressInfo).port,
    report,
    setQuota(perSecond) {
      quotaPerSecond = perSecond;
    },
    setFaults(shares) {
      faults = shares;
    },
    whenReached(count, reached) {
      if (requests.length >= count) reached();
      else waiters.push({ count, reached });
    },
    invalidateSignatures() {
      invalidated = new Set(signatures);
    },
    close() {
      open -= 1;
      if (open === 0) watch.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}
