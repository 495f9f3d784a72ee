import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import {
  checkPageRequest,
  checkRoomRequest,
  readCommandOf,
  readCommands,
  type ReadCommand,
} from './check-request.js';
import { answerControl, controlPath, type Controlled } from './control.js';
import { destroyRoom } from './destroy-room.js';
import { listen, readBody, stop } from './http.js';
import { createRepeatedRandoms } from './repeated-randoms.js';
import { createLives } from './room-lives.js';
import { parseRooms } from './rooms-file.js';
import { sendAnswer, type Answer } from './send-answer.js';
import { createSignatures } from './signatures.js';
import { createRooms, type RoomState } from './simulated-rooms.js';
import {
  readFaults,
  readOptions,
  type Settings,
  type SimulatorOptions,
} from './simulator-options.js';
import { createTraffic } from './traffic.js';
import { listedRoomOf, roomInfoOf, roomStatsOf } from './truth.js';
import { createWebhook, type Webhook, type WebhookOptions } from './webhook.js';

/**
 * A stand-in for destroy_room that keeps its documented rules. In the order they are asked
 * for: quota (every arrival counts, refused ones too), URL, parameters,
 * UserSig, administrator, body (check-request.ts); then faults, then the room (destroy-room.ts).
 *
 * The commands that read (get_room_info, get_room_stats, get_room_list) keep the same rules,
 * each with a quota of its own. They are no arrivals of destroy_room and change nothing: but for
 * `commands` the report does not know them, and faults are not meant for them.
 */
export interface Simulator extends Controlled {
  /** `http://127.0.0.1:PORT`: what TENCENT_ENDPOINT is set to. */
  readonly url: string;
  /** The newest arrivals (up to four million), ms since the first of all. */
  arrivals(): Float64Array;
  room(roomId: string): { state: RoomState; requests: number };
  /**
   * From now on rooms that go are told there, with a report that begins anew; undefined: nowhere.
   *
   * @throws ReaperError `INVALID` where an option is wrong.
   */
  setWebhook(options: WebhookOptions | undefined): void;
  /** Cuts what is still open and stops listening. */
  close(): Promise<void>;
}

/** @throws ReaperError `INVALID` where an option is wrong or the port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = await readOptions(options);
  const { handle, begin, end, ...service } = createService(settings);
  const server = createServer((request, response) => {
    // Nobody waits for a request's handling, so what it throws must end the process.
    void handle(request, response);
  });
  // Longer than any client keeps an idle connection, so that only faults cut one.
  server.keepAliveTimeout = 75_000;
  const url = await listen(server, settings.host, settings.port);
  begin();
  const close = async (): Promise<void> => {
    end();
    await stop(server);
  };
  return { url, ...service, close };
}

/** A sliding second of a command that reads, and more: nobody plots these arrivals. */
const keptReads = 4_096;

/** The simulator without its server. */
function createService(settings: Settings) {
  const traffic = createTraffic(settings.quotaPerSecond);
  const reads = Object.fromEntries(
    readCommands.map((command) => [command, createTraffic(settings.quotas[command], keptReads)]),
  ) as Record<ReadCommand, ReturnType<typeof createTraffic>>;
  const signatures = createSignatures(settings);
  const randoms = createRepeatedRandoms();
  const lives = createLives(settings);
  let webhook: Webhook | undefined;
  const rooms = createRooms({
    anyRoom: settings.anyRoom,
    onCreated: (room) => lives.begin(room),
    onGone: (room) => webhook?.gone(room, room.state === 'destroyed' ? 'user' : 'system'),
  });
  rooms.add(settings.rooms);
  if (settings.webhook !== undefined) setWebhook(settings.webhook);
  settings.rooms = []; // the list of a million rooms is not needed twice
  const requestIdStart = `Id-${randomUUID().slice(0, 8)}`;
  let requestNumber = 0;
  let forDestroyedRooms = 0;
  let switchedFaults: ReturnType<typeof readFaults> = [];

  const controlled: Controlled = {
    report: () => ({
      ...traffic.report(),
      seconds: traffic.seconds(),
      rooms: rooms.counts(),
      requestsForDestroyedRooms: forDestroyedRooms,
      repeatedRandoms: randoms.count(),
      statistics: rooms.destroyedStatistics(),
      endedStatistics: rooms.endedStatistics(),
      commands: {
        get_room_info: reads.get_room_info.report(),
        get_room_stats: reads.get_room_stats.report(),
        get_room_list: reads.get_room_list.report(),
      },
      ...(webhook && { webhook: webhook.report() }),
    }),
    setFault(spec) {
      switchedFaults = spec === undefined ? [] : readFaults([spec]);
    },
    invalidateSignatures: () => signatures.invalidate(Date.now()),
    addRooms: (rows) => rooms.add(parseRooms(rows, 'rooms'), Math.floor(Date.now() / 1_000)),
    endRooms(rows) {
      for (const { roomId } of parseRooms(rows, 'rooms')) rooms.end(rooms.get(roomId));
    },
  };

  function setWebhook(options: WebhookOptions | undefined): void {
    const next = options && createWebhook(settings, options);
    webhook?.close();
    webhook = next;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '' } = request;
    if (url.startsWith(controlPath)) {
      await answerControl(controlled, request, response);
      return;
    }
    const command = readCommandOf(url);
    const counter = command === undefined ? traffic : reads[command];
    const isOver = counter.arrive(performance.now());
    const body = await readBody(request);
    if (body === undefined) {
      counter.aborted();
      return;
    }
    const { answer, delayMs } = isOver
      ? { answer: refusal(60007), delayMs: 0 }
      : command === undefined
        ? decide(request, body)
        : { answer: read(command, request, body), delayMs: 0 };
    counter.answered(answer);
    reply(response, answer, delayMs);
  }

  function decide(request: IncomingMessage, body: string): { answer: Answer; delayMs: number } {
    const caller = callerNow((random) => randoms.record(random));
    const checked = checkRoomRequest(request.method ?? '', request.url ?? '', body, caller);
    if (!checked.ok) return { answer: refusal(checked.code), delayMs: 0 };
    const room = rooms.get(checked.roomId);
    if (room.state === 'destroyed') forDestroyedRooms++;
    return destroyRoom(rooms, room, {
      first: switchedFaults,
      last: settings.faults,
      seed: settings.seed,
    });
  }

  /** It changes nothing, and no fault is meant for it. */
  function read(command: ReadCommand, { method = '', url = '' }: IncomingMessage, body: string) {
    const caller = callerNow(() => undefined);
    if (command === 'get_room_list') {
      const checked = checkPageRequest(method, url, body, caller);
      return checked.ok ? told(page(checked.from, checked.count)) : refusal(checked.code);
    }
    const checked = checkRoomRequest(method, url, body, caller);
    if (!checked.ok) return refusal(checked.code);
    const room = rooms.live(checked.roomId);
    if (room === undefined) return refusal(100004);
    return told(command === 'get_room_info' ? { RoomInfo: roomInfoOf(room) } : roomStatsOf(room));
  }

  /** By place in the list as it is now: where rooms go while it is paged, a reader skips some. */
  function page(from: number, count: number) {
    const all = rooms.list();
    const end = from + count;
    return {
      Next: end < all.length ? String(end) : '',
      RoomList: all.slice(from, end).map(listedRoomOf),
    };
  }

  function callerNow(onRandom: (random: number) => void) {
    const { adminIdentifier } = settings;
    return { signatures, adminIdentifier, nowMs: Date.now(), onRandom };
  }

  function reply(response: ServerResponse, answer: Answer, delayMs: number): void {
    const requestId = `${requestIdStart}-${++requestNumber}`;
    const totalDelayMs = settings.latencyMs + delayMs;
    if (totalDelayMs === 0) sendAnswer(response, answer, requestId);
    else setTimeout(sendAnswer, totalDelayMs, response, answer, requestId).unref();
  }

  return {
    handle,
    begin: () => lives.start(rooms),
    end: () => {
      lives.stop();
      webhook?.close();
    },
    setWebhook,
    ...controlled,
    arrivals: () => traffic.times(),
    room: (roomId: string) => rooms.stateOf(roomId),
  };
}

function refusal(code: number): Answer {
  return { kind: 'code', code };
}

function told(response: object): Answer {
  return { kind: 'told', response };
}
