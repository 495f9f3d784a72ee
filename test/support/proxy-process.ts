/** The process of a proxy (proxy.ts forks it). */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { FromProxy, NetworkFault, ProxyOptions, ToProxy } from './proxy.js';
import { watchStalls } from './stalls.js';

const { target, port } = JSON.parse(process.argv[2] ?? '{}') as ProxyOptions;
const watch = watchStalls();
watch.start();
const links = new Set<Link>();
let fault: NetworkFault = { kind: 'none' };
let connections = 0;
let garbled = 0;
/** Connections that are taken yet. */
let left = Number.POSITIVE_INFINITY;
let random = randomFrom(0);

type Direction = 'toServer' | 'toClient';

interface Link {
  client: Socket;
  server: Socket;
  /** Its bytes go nowhere, for good. */
  silent: boolean;
}

/** Mulberry32: the same numbers for the same seed; 0 ≤ value < 1. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function delayOf(direction: Direction): number {
  if (fault.kind !== 'delay') return 0;
  return direction === 'toServer' ? fault.toServerMs : fault.toClientMs;
}

function garble(chunk: Buffer, direction: Direction): Buffer {
  if (fault.kind !== 'garble' || direction === 'toServer' || random() >= fault.share) return chunk;
  garbled += 1;
  const copy = Buffer.from(chunk);
  const at = Math.floor(random() * copy.length);
  copy[at] = (copy[at] ?? 0) | 0x80;
  return copy;
}

/** Carries one direction; what is held up keeps its order. */
function carry(link: Link, from: Socket, to: Socket, direction: Direction): void {
  const held: { dueAt: number; chunk: Buffer | undefined }[] = [];

  const pass = (chunk: Buffer | undefined) => {
    if (link.silent) return;
    if (chunk === undefined) to.end();
    else if (!to.write(chunk)) from.pause();
  };
  const passDue = () => {
    while (held[0] !== undefined && held[0].dueAt <= performance.now()) pass(held.shift()?.chunk);
    if (held[0] !== undefined) setTimeout(passDue, Math.ceil(held[0].dueAt - performance.now()));
  };
  const take = (chunk: Buffer | undefined) => {
    const delayMs = delayOf(direction);
    if (delayMs === 0 && held.length === 0) {
      pass(chunk);
      return;
    }
    const dueAt = Math.max(performance.now() + delayMs, held.at(-1)?.dueAt ?? 0);
    held.push({ dueAt, chunk });
    if (held.length === 1) setTimeout(passDue, delayMs);
  };

  from.on('data', (chunk: Buffer) => {
    watch.stamped();
    take(garble(chunk, direction));
  });
  from.on('end', () => take(undefined));
  to.on('drain', () => from.resume());
}

function take(client: Socket): void {
  connections += 1;
  if (left <= 0) {
    client.resetAndDestroy();
    return;
  }
  left -= 1;
  const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
  const link: Link = { client, server, silent: fault.kind === 'silence' };
  links.add(link);
  for (const socket of [client, server]) {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      // What ended in a silence is not told to the other side before the silence ends.
      if (link.silent) return;
      reset(link);
    });
  }
  carry(link, client, server, 'toServer');
  carry(link, server, client, 'toClient');
}

function reset(link: Link): void {
  links.delete(link);
  for (const socket of [link.client, link.server]) {
    if (!socket.destroyed && socket.writableFinished && socket.readableEnded) socket.destroy();
    else if (!socket.destroyed) socket.resetAndDestroy();
  }
}

/** The server is told that the client is gone; the client is told nothing, ever. */
function forget(link: Link): void {
  link.silent = true;
  links.delete(link);
  link.server.resetAndDestroy();
  link.client.resume();
}

function cut(): void {
  for (const link of links) reset(link);
}

let server: Server | undefined;

function listen(): Promise<void> {
  const listener = createServer({ allowHalfOpen: true }, take);
  server = listener;
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, '127.0.0.1', resolve);
  });
}

function stopListening(): void {
  // From here on it takes none; that it ends when all are gone is not waited for.
  server?.close();
  cut();
}

async function set(next: NetworkFault): Promise<void> {
  const before = fault;
  fault = next;
  if (before.kind === 'silence') for (const link of links) if (link.silent) reset(link);
  if (next.kind === 'garble') random = randomFrom(next.seed);
  if (next.kind === 'silence') for (const link of links) link.silent = true;
  if (next.kind === 'refuse' && before.kind !== 'refuse') stopListening();
  if (next.kind !== 'refuse' && before.kind === 'refuse') await listen();
}

function tell(message: FromProxy): void {
  process.send?.(message);
}

process.on('message', (message: ToProxy) => {
  switch (message.type) {
    case 'set':
      void set(message.fault).then(() => tell({ type: 'done', id: message.id }));
      break;
    case 'refuse after':
      left = message.connections;
      tell({ type: 'done', id: message.id });
      break;
    case 'forget':
      for (const link of links) forget(link);
      tell({ type: 'done', id: message.id });
      break;
    case 'cut':
      cut();
      tell({ type: 'done', id: message.id });
      break;
    case 'report':
      tell({
        type: 'report',
        id: message.id,
        report: { connections, garbled, stalls: watch.stalls },
      });
      break;
    default:
      message satisfies never;
  }
});
process.on('disconnect', () => process.exit(0));
// A Ctrl-C on the terminal reaches the whole group: the test run ends this process.
process.on('SIGINT', () => undefined);

void listen().then(() => tell({ type: 'listening' }));
