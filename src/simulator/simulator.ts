import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { sendAnswer, wordOf, type Answer } from './answer.js';
import { Arrivals } from './arrivals.js';
import { checkRequest, pathOf, ROOM_INFO_PATH } from './check-request.js';
import { answerControl, CONTROL_PATH } from './control.js';
import { destroyRoom } from './destroy-room.js';
import { listen, stop } from './listen.js';
import { readFaults, readOptions, type Settings, type SimulatorOptions } from './options.js';
import { readBody } from './read-body.js';
import { RepeatedRandoms } from './repeated-randoms.js';
import type { SimulatorReport } from './report.js';
import { tellRoomInfo } from './room-info.js';
import { parseRoomList } from './room-list.js';
import { Rooms, type RoomState } from './rooms.js';
import { Signatures } from './signatures.js';

/**
 * A stand-in for destroy_room that keeps its documented rules. In the order they are asked
 * for: quota (every arrival counts, refused ones too), URL, parameters,
 * UserSig, administrator, body (check-request.ts); then faults, then the room (destroy-room.ts).
 *
 * get_room_info keeps the same rules with a quota of its own. It is no arrival of destroy_room:
 * but for `roomInfoRequests` the report does not know it, and faults are not meant for it.
 */
export interface Simulator {
  /** `http://127.0.0.1:PORT`: what TENCENT_ENDPOINT is set to. */
  readonly url: string;
  report(): SimulatorReport;
  /** The newest arrivals (up to four million), ms since the first of all. */
  arrivals(): Float64Array;
  /** A fault for all rooms from now on, before all others (`502`, `hang`, `70003`); null ends it. */
  setFault(spec: string | null): void;
  /** Like `kick`: UserSigs made earlier answer 70052, one made anew works (signatures.ts). */
  invalidateSignatures(): void;
  /** Creates rooms, also such as were destroyed; lines as in a room list. */
  addRooms(lines: Iterable<string>): void;
  room(roomId: string): { state: RoomState; requests: number };
  /** Cuts what is still open and stops listening. */
  close(): Promise<void>;
}

/** Throws ReaperError INVALID when an option is wrong or the port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = await readOptions(options);
  const service = new Service(settings);
  const server = createServer((request, response) => {
    // Nobody waits for a request's handling, so what it throws must end the process.
    void service.handle(request, response);
  });
  // Longer than any client keeps an idle connection, so that only faults cut one.
  server.keepAliveTimeout = 75_000;
  const url = await listen(server, settings.host, settings.port);
  return {
    url,
    report: () => service.report(),
    arrivals: () => service.arrivals.times(),
    setFault: (spec) => service.setFault(spec),
    invalidateSignatures: () => service.invalidateSignatures(),
    addRooms: (lines) => service.addRooms(lines),
    room: (roomId) => service.rooms.stateOf(roomId),
    close: () => stop(server),
  };
}

class Service {
  readonly arrivals = new Arrivals();
  readonly #roomInfoArrivals = new Arrivals(1_000, 4_096);
  readonly rooms: Rooms;
  readonly #settings: Settings;
  readonly #signatures: Signatures;
  readonly #randoms = new RepeatedRandoms();
  readonly #codes = new Map<string, number>();
  readonly #requestIdStart = `Id-${randomUUID().slice(0, 8)}`;
  #requestNumber = 0;
  #overQuota = 0;
  #forDestroyedRooms = 0;
  #switchedFaults: ReturnType<typeof readFaults> = [];

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#signatures = new Signatures(settings);
    this.rooms = new Rooms(settings.anyRoom);
    this.rooms.add(settings.rooms);
    settings.rooms = []; // the list of a million rooms is not needed twice
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith(CONTROL_PATH)) {
      await answerControl(this, request, response);
      return;
    }
    if (pathOf(request.url ?? '') === ROOM_INFO_PATH) {
      await this.#handleRoomInfo(request, response);
      return;
    }
    const inWindow = this.arrivals.record(performance.now());
    const overQuota = inWindow > this.#settings.quotaPerSecond;
    if (overQuota) this.#overQuota++;
    const body = await readBody(request);
    if (body === undefined) {
      this.#count('aborted');
      return;
    }
    const { answer, delayMs } = overQuota
      ? { answer: refusal(60007), delayMs: 0 }
      : this.#decide(request, body);
    this.#count(wordOf(answer));
    this.#answer(response, answer, delayMs);
  }

  async #handleRoomInfo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const inWindow = this.#roomInfoArrivals.record(performance.now());
    const body = await readBody(request);
    if (body === undefined) return;
    if (inWindow > this.#settings.quotaPerSecond) {
      this.#answer(response, refusal(60007));
      return;
    }
    const checked = this.#check(request, body, () => undefined);
    const answer = checked.ok ? tellRoomInfo(this.rooms, checked.roomId) : refusal(checked.code);
    this.#answer(response, answer);
  }

  #answer(response: ServerResponse, answer: Answer, delayMs = 0): void {
    const requestId = `${this.#requestIdStart}-${++this.#requestNumber}`;
    const totalDelayMs = this.#settings.latencyMs + delayMs;
    if (totalDelayMs === 0) sendAnswer(response, answer, requestId);
    else setTimeout(sendAnswer, totalDelayMs, response, answer, requestId).unref();
  }

  report(): SimulatorReport {
    return {
      requests: this.arrivals.count,
      worstWindow: this.arrivals.worstWindow,
      seconds: this.arrivals.spanMs / 1_000,
      overQuota: this.#overQuota,
      codes: Object.fromEntries(this.#codes),
      rooms: this.rooms.counts,
      requestsForDestroyedRooms: this.#forDestroyedRooms,
      repeatedRandoms: this.#randoms.count,
      statistics: this.rooms.destroyedStatistics,
      roomInfoRequests: this.#roomInfoArrivals.count,
    };
  }

  setFault(spec: string | null): void {
    this.#switchedFaults = spec === null ? [] : readFaults([spec]);
  }

  invalidateSignatures(): void {
    this.#signatures.invalidate(Date.now());
  }

  addRooms(lines: Iterable<string>): void {
    this.rooms.add(parseRoomList(lines, 'rooms'));
  }

  #decide(request: IncomingMessage, body: string): { answer: Answer; delayMs: number } {
    const checked = this.#check(request, body, (random) => this.#randoms.record(random));
    if (!checked.ok) return { answer: refusal(checked.code), delayMs: 0 };
    const room = this.rooms.get(checked.roomId);
    if (room.state === 'destroyed') this.#forDestroyedRooms++;
    return destroyRoom(this.rooms, room, {
      first: this.#switchedFaults,
      last: this.#settings.faults,
      seed: this.#settings.seed,
    });
  }

  #check(request: IncomingMessage, body: string, onRandom: (random: number) => void) {
    return checkRequest(request.method ?? '', request.url ?? '', body, {
      signatures: this.#signatures,
      adminIdentifier: this.#settings.adminIdentifier,
      nowMs: Date.now(),
      onRandom,
    });
  }

  #count(word: string): void {
    this.#codes.set(word, (this.#codes.get(word) ?? 0) + 1);
  }
}

function refusal(code: number): Answer {
  return { kind: 'code', code };
}
