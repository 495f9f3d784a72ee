import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { createArrivals } from './arrivals.js';
import { checkRequest, pathOf, roomInfoPath } from './check-request.js';
import { answerControl, controlPath, type Controlled } from './control.js';
import { destroyRoom } from './destroy-room.js';
import { listen, readBody, stop } from './http.js';
import { createRepeatedRandoms } from './repeated-randoms.js';
import { parseRooms } from './rooms-file.js';
import { sendAnswer, wordOf, type Answer } from './send-answer.js';
import { createSignatures } from './signatures.js';
import { createRooms, type RoomState } from './simulated-rooms.js';
import {
  readFaults,
  readOptions,
  type Settings,
  type SimulatorOptions,
} from './simulator-options.js';
import { roomInfoOf } from './truth.js';

/**
 * A stand-in for destroy_room that keeps its documented rules. In the order they are asked
 * for: quota (every arrival counts, refused ones too), URL, parameters,
 * UserSig, administrator, body (check-request.ts); then faults, then the room (destroy-room.ts).
 *
 * get_room_info keeps the same rules with a quota of its own. It is no arrival of destroy_room:
 * but for `roomInfoRequests` the report does not know it, and faults are not meant for it.
 */
export interface Simulator extends Controlled {
  /** `http://127.0.0.1:PORT`: what TENCENT_ENDPOINT is set to. */
  readonly url: string;
  /** The newest arrivals (up to four million), ms since the first of all. */
  arrivals(): Float64Array;
  room(roomId: string): { state: RoomState; requests: number };
  /** Cuts what is still open and stops listening. */
  close(): Promise<void>;
}

/** @throws ReaperError `INVALID` where an option is wrong or the port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = await readOptions(options);
  const { handle, ...service } = createService(settings);
  const server = createServer((request, response) => {
    // Nobody waits for a request's handling, so what it throws must end the process.
    void handle(request, response);
  });
  // Longer than any client keeps an idle connection, so that only faults cut one.
  server.keepAliveTimeout = 75_000;
  const url = await listen(server, settings.host, settings.port);
  return { url, ...service, close: () => stop(server) };
}

/** The simulator without its server. */
function createService(settings: Settings) {
  const arrivals = createArrivals();
  const roomInfoArrivals = createArrivals(1_000, 4_096);
  const signatures = createSignatures(settings);
  const randoms = createRepeatedRandoms();
  const rooms = createRooms(settings.anyRoom);
  rooms.add(settings.rooms);
  settings.rooms = []; // the list of a million rooms is not needed twice
  const codes = new Map<string, number>();
  const requestIdStart = `Id-${randomUUID().slice(0, 8)}`;
  let requestNumber = 0;
  let overQuota = 0;
  let forDestroyedRooms = 0;
  let switchedFaults: ReturnType<typeof readFaults> = [];

  const controlled: Controlled = {
    report: () => ({
      requests: arrivals.count(),
      worstWindow: arrivals.worstWindow(),
      seconds: arrivals.spanMs() / 1_000,
      overQuota,
      codes: Object.fromEntries(codes),
      rooms: rooms.counts(),
      requestsForDestroyedRooms: forDestroyedRooms,
      repeatedRandoms: randoms.count(),
      statistics: rooms.destroyedStatistics(),
      roomInfoRequests: roomInfoArrivals.count(),
    }),
    setFault(spec) {
      switchedFaults = spec === undefined ? [] : readFaults([spec]);
    },
    invalidateSignatures: () => signatures.invalidate(Date.now()),
    addRooms: (rows) => rooms.add(parseRooms(rows, 'rooms')),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith(controlPath)) {
      await answerControl(controlled, request, response);
      return;
    }
    if (pathOf(request.url ?? '') === roomInfoPath) {
      await handleRoomInfo(request, response);
      return;
    }
    const isOver = arrivals.record(performance.now()) > settings.quotaPerSecond;
    if (isOver) overQuota++;
    const body = await readBody(request);
    if (body === undefined) {
      count('aborted');
      return;
    }
    const { answer, delayMs } = isOver
      ? { answer: refusal(60007), delayMs: 0 }
      : decide(request, body);
    count(wordOf(answer));
    reply(response, answer, delayMs);
  }

  async function handleRoomInfo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isOver = roomInfoArrivals.record(performance.now()) > settings.quotaPerSecond;
    const body = await readBody(request);
    if (body === undefined) return;
    reply(response, isOver ? refusal(60007) : tellRoomInfo(request, body));
  }

  /** It changes nothing, and no fault is meant for it. */
  function tellRoomInfo(request: IncomingMessage, body: string): Answer {
    const checked = check(request, body, () => undefined);
    if (!checked.ok) return refusal(checked.code);
    if (rooms.stateOf(checked.roomId).state !== 'live') return refusal(100004);
    return { kind: 'info', info: roomInfoOf(checked.roomId) };
  }

  function decide(request: IncomingMessage, body: string): { answer: Answer; delayMs: number } {
    const checked = check(request, body, (random) => randoms.record(random));
    if (!checked.ok) return { answer: refusal(checked.code), delayMs: 0 };
    const room = rooms.get(checked.roomId);
    if (room.state === 'destroyed') forDestroyedRooms++;
    return destroyRoom(rooms, room, {
      first: switchedFaults,
      last: settings.faults,
      seed: settings.seed,
    });
  }

  function check(request: IncomingMessage, body: string, onRandom: (random: number) => void) {
    return checkRequest(request.method ?? '', request.url ?? '', body, {
      signatures,
      adminIdentifier: settings.adminIdentifier,
      nowMs: Date.now(),
      onRandom,
    });
  }

  function reply(response: ServerResponse, answer: Answer, delayMs = 0): void {
    const requestId = `${requestIdStart}-${++requestNumber}`;
    const totalDelayMs = settings.latencyMs + delayMs;
    if (totalDelayMs === 0) sendAnswer(response, answer, requestId);
    else setTimeout(sendAnswer, totalDelayMs, response, answer, requestId).unref();
  }

  function count(word: string): void {
    codes.set(word, (codes.get(word) ?? 0) + 1);
  }

  return {
    handle,
    ...controlled,
    arrivals: () => arrivals.times(),
    room: (roomId: string) => rooms.stateOf(roomId),
  };
}

function refusal(code: number): Answer {
  return { kind: 'code', code };
}
