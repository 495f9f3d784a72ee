/** One counting server: what arrives at one port, and what it is answered. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type {
  Command,
  CountingServerOptions,
  ReadCommand,
  RoomEnd,
  ScriptedAnswer,
  ServerReport,
  ServerRequest,
} from './counting-server.js';
import { answer, type Exchange, fail, isUsual } from './counting-server-answer.js';
import { type CommandState, createCommand } from './counting-server-command.js';
import type { FaultShares } from './counting-server-faults.js';
import { createRooms, totalsText } from './counting-server-rooms.js';
import { type CheckedBody, commandNames, createRules } from './counting-server-rules.js';
import { watchStalls } from './stalls.js';

export interface Instance {
  port: number;
  report: () => ServerReport;
  setQuota: (command: Command, perSecond: number) => void;
  setFaults: (command: Command, shares: FaultShares | undefined) => void;
  /** Calls `reached` once so many requests for the command have arrived, in all. */
  whenReached: (command: Command, count: number, reached: () => void) => void;
  invalidateSignatures: () => void;
  recreate: (roomId: string, atMs: number) => void;
  end: (roomId: string) => void;
  ends: (from: number) => RoomEnd[];
  close: () => void;
}

/** When this process did not run, as all of its instances report it. */
const watch = watchStalls();
let instances = 0;
let open = 0;

export async function openInstance(options: CountingServerOptions): Promise<Instance> {
  /** In every RequestId, which no other server gives. */
  const name = `${process.pid}-${++instances}`;
  const rules = createRules(options);
  const rooms = createRooms(options);
  const { latencyMs = 0 } = options;
  const optionsOf = (command: Command) =>
    command === 'destroy_room' ? options : { latencyMs, ...options.commands?.[command] };
  const commands = Object.fromEntries(
    commandNames.map((command) => [command, createCommand(optionsOf(command))]),
  ) as Record<Command, CommandState>;
  let connections = 0;

  function act(command: Command, exchange: Exchange, body: string): void {
    const { request, entry } = exchange;
    const [, askedFor] = /^\{"RoomId":"(.*)"\}$/.exec(body) ?? [];
    if (askedFor !== undefined) entry.askedFor = askedFor;
    const checked = rules.check(command, request, body);
    if ('code' in checked) {
      fail(exchange, checked.code);
      return;
    }
    const state = commands[command];
    if (!state.letsThrough(entry.atMs)) {
      fail(exchange, 60007);
      return;
    }
    const roomId = 'roomId' in checked ? checked.roomId : '';
    if (roomId !== '') entry.roomId = roomId;
    const scripted = state.answerFor(roomId);
    entry.answer = scripted.kind;
    const usual =
      command === 'destroy_room' ? destroy(entry, roomId, scripted) : read(command, checked);
    const delayMs = (scripted.latencyMs ?? 0) + state.latencyMs;
    if (delayMs > 0) setTimeout(answer, delayMs, exchange, scripted, usual);
    else answer(exchange, scripted, usual);
  }

  /** @returns what it is answered as usual: an ErrorCode, or the JSON of `Response`. */
  function destroy(entry: ServerRequest, roomId: string, scripted: ScriptedAnswer) {
    const existed = rooms.canBeDestroyed(roomId) && scripted.kind !== 'unknown';
    const totals = rooms.totalsOf(roomId);
    if ((isUsual(scripted) || ('acts' in scripted && scripted.acts)) && existed) {
      rooms.destroy(roomId, entry.requestId);
      entry.acted = true;
    }
    if (!existed) return 100004;
    return `{"Statistic":{${totalsText(totals)}}}`;
  }

  /** As `destroy`; it changes nothing. */
  function read(command: ReadCommand, asked: CheckedBody): number | string {
    if ('next' in asked) {
      const all = rooms.list();
      const end = asked.next + asked.count;
      const page = all.slice(asked.next, end);
      return JSON.stringify({ Next: end < all.length ? `from-${end}` : '', RoomList: page });
    }
    const { roomId } = asked;
    if (!rooms.isLive(roomId)) return 100004;
    if (command === 'get_room_info') {
      return JSON.stringify({ RoomInfo: { ...rooms.told(roomId), RoomType: 'Live' } });
    }
    return `{${totalsText(rooms.totalsOf(roomId))},"TotalMsgCount":${roomId.length}}`;
  }

  function report(): ServerReport {
    const { destroy_room: destroyed, ...reads } = commands;
    const requestsFor = new Map<string, number>();
    for (const { roomId } of destroyed.requests) {
      if (roomId !== undefined) requestsFor.set(roomId, (requestsFor.get(roomId) ?? 0) + 1);
    }
    return {
      requests: destroyed.requests,
      worstWindow: destroyed.worstWindow(),
      commands: Object.fromEntries(
        Object.entries(reads).map(([command, state]) => [
          command,
          { requests: state.requests, worstWindow: state.worstWindow() },
        ]),
      ) as ServerReport['commands'],
      rooms: Object.fromEntries(
        [...requestsFor].map(([roomId, requests]) => [
          roomId,
          { requests, ...rooms.truth(roomId) },
        ]),
      ),
      problems: rules.problems,
      signatures: [...rules.signatures],
      differentRandoms: rules.randoms.size,
      connections,
      startedAtMs: performance.timeOrigin,
      stalls: watch.stalls,
    };
  }

  const server = createServer((request, response) => {
    // The instant that counts: everything else comes after it.
    const atMs = performance.now();
    watch.stamped();
    const [, asked] = /^\/v4\/live_engine_http_srv\/(\w+)\?/.exec(request.url ?? '') ?? [];
    // What is no command is refused as a wrong path of the one that is counted first.
    const command = commandNames.find((each) => each === asked) ?? 'destroy_room';
    const state = commands[command];
    const number = state.requests.length + 1;
    const requestId =
      command === 'destroy_room' ? `Id-${number}-${name}` : `Id-${command}-${number}-${name}`;
    const entry: ServerRequest = { atMs, requestId };
    state.arrived(entry);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      act(command, { request, response, entry }, Buffer.concat(chunks).toString()),
    );
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
    setQuota: (command, perSecond) => commands[command].setQuota(perSecond),
    setFaults: (command, shares) => commands[command].setFaults(shares),
    whenReached: (command, count, reached) => commands[command].whenReached(count, reached),
    invalidateSignatures: () => rules.invalidateSignatures(),
    recreate: (roomId, atMs) => rooms.recreate(roomId, atMs),
    end: (roomId) => rooms.end(roomId),
    ends: (from) => rooms.ends.slice(from),
    close() {
      open -= 1;
      if (open === 0) watch.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}
