/**
 * The process of the counting server (counting-server.ts forks it). It shares no code with
 * src/: what it finds is evidence about src/, also about its stand-in API.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inflateSync } from 'node:zlib';
import type {
  CountingServerOptions,
  FromServer,
  ScriptedAnswer,
  ServerReport,
  ServiceFault,
  ToServer,
  TotalName,
} from './counting-server.js';

const path = '/v4/live_engine_http_srv/destroy_room';
const totalNames = [
  'TotalViewers',
  'TotalGiftsSent',
  'TotalGiftCoins',
  'TotalUniqueGiftSenders',
  'TotalLikesReceived',
] as const satisfies readonly TotalName[];

type Totals = Record<TotalName, bigint>;

const options = JSON.parse(process.argv[2] ?? '{}') as CountingServerOptions;
const scripts = new Map(Object.entries(options.scripts ?? {}));
const requests: ServerReport['requests'] = [];
const destroyed = new Set<string>();
const problems: string[] = [];
const signatures = new Set<string>();
const randoms = new Set<string>();
let connections = 0;
let serviceFault: ServiceFault | null = null;
const waiters: { count: number; id: number }[] = [];

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

/** 0, or the ErrorCode for this signature. */
function checkSignature(text: string): number {
  let fields: Record<string, unknown>;
  try {
    const base64 = text.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
    fields = JSON.parse(inflateSync(Buffer.from(base64, 'base64')).toString()) as typeof fields;
  } catch {
    return 70003;
  }
  const time = Number(fields['TLS.time']);
  const expire = Number(fields['TLS.expire']);
  const signed =
    `TLS.identifier:${options.adminIdentifier}\nTLS.sdkappid:${options.sdkAppId}\n` +
    `TLS.time:${time}\nTLS.expire:${expire}\n`;
  const expected = createHmac('sha256', options.secretKey).update(signed).digest('base64');
  if (fields['TLS.ver'] !== '2.0') return 70003;
  if (fields['TLS.identifier'] !== options.adminIdentifier) return 70013;
  if (fields['TLS.sdkappid'] !== options.sdkAppId) return 70014;
  if (fields['TLS.sig'] !== expected) return 70009;
  const age = Date.now() / 1000 - time;
  if (age < -60 || age > expire) return 70001;
  if (expire - age < 24 * 3600) problems.push(`signature with ${expire - age} s left`);
  return 0;
}

/** The RoomId, or the ErrorCode of a request that breaks a rule; rules broken are noted. */
function check(request: IncomingMessage, body: string): { roomId: string } | { code: number } {
  const url = new URL(request.url ?? '/', 'http://server');
  const query = url.searchParams;
  const refuse = (code: number, problem: string) => {
    problems.push(problem);
    return { code };
  };
  if (request.method !== 'POST') return refuse(60002, `method ${request.method ?? ''}`);
  if (url.pathname !== path) return refuse(60002, `path ${url.pathname}`);
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
  const code = checkSignature(signature);
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
  const checked = check(request, body);
  if ('code' in checked) {
    fail(checked.code);
    return;
  }
  const { roomId } = checked;
  entry.roomId = roomId;
  const hit = serviceFault !== null && Math.random() < serviceFault.share;
  const answer: ScriptedAnswer = hit
    ? (serviceFault as ServiceFault).answer
    : (scripts.get(roomId)?.shift() ?? { kind: 'usual' });
  entry.answer = answer.kind;

  const existed = !destroyed.has(roomId) && answer.kind !== 'unknown';
  const acts =
    answer.kind === 'usual' || answer.kind === 'noresponse' || ('acts' in answer && answer.acts);
  if (acts && existed) destroyed.add(roomId);

  const answerNow = () => {
    if (answer.kind === 'unknown' || (answer.kind === 'usual' && !existed)) {
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
      case 'usual':
        entry.errorCode = 0;
        entry.toldTotals = answer.kind === 'usual';
        send(200, successBody(requestId, entry.toldTotals ? totalsOf(roomId) : undefined));
        break;
      default:
        answer satisfies never;
    }
  };
  const latencyMs = (answer.latencyMs ?? 0) + (options.latencyMs ?? 0);
  if (latencyMs > 0) setTimeout(answerNow, latencyMs);
  else answerNow();
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
  };
}

function tell(message: FromServer): void {
  process.send?.(message);
}

const server = createServer((request, response) => {
  const entry: ServerReport['requests'][number] = {
    // The instant that counts: everything else comes after it.
    atMs: performance.now(),
    requestId: `Id-${requests.length + 1}-${process.pid}`,
  };
  requests.push(entry);
  for (const waiter of waiters.filter(({ count }) => count <= requests.length)) {
    waiters.splice(waiters.indexOf(waiter), 1);
    tell({ type: 'reached', id: waiter.id });
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => act(request, response, Buffer.concat(chunks).toString(), entry));
});

server.on('connection', () => {
  connections += 1;
});

process.on('message', (message: ToServer) => {
  switch (message.type) {
    case 'report':
      tell({ type: 'report', id: message.id, report: report() });
      break;
    case 'fault':
      serviceFault = message.fault;
      tell({ type: 'fault', id: message.id, atMs: performance.now() });
      break;
    case 'reach':
      if (requests.length >= message.count) tell({ type: 'reached', id: message.id });
      else waiters.push(message);
      break;
    default:
      message satisfies never;
  }
});
process.on('disconnect', () => process.exit(0));
// A Ctrl-C on the terminal reaches the whole group: the test run ends this process.
process.on('SIGINT', () => undefined);

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  tell({ type: 'listening', port: (server.address() as AddressInfo).port });
});
