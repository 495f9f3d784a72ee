/**
 * A TCP proxy for the tests, in a process of its own, that does to connections what
 * networks do: cuts them, holds traffic up, goes silent, refuses, and garbles.
 */
import { once } from 'node:events';
import type { Stall } from './stalls.js';
import { freePort } from './program.js';
import { forkTypeScript, giveWay } from './typescript-process.js';

export type NetworkFault =
  | { kind: 'none' }
  /** Every chunk comes this much later, in order; in milliseconds. */
  | { kind: 'delay'; toServerMs: number; toClientMs: number }
  /**
   * Half-open: what is sent arrives nowhere and nobody is told. When the fault ends, its
   * connections are reset; nothing of it arrives late.
   */
  | { kind: 'silence' }
  /** No connection is taken, and those that exist are reset. */
  | { kind: 'refuse' }
  /**
   * In this share of the chunks towards the client, from 0 to 1, the high bit of one byte is
   * set. Where both ends speak ASCII that can be noticed; a digit that became another could not.
   */
  | { kind: 'garble'; share: number; seed: number };

export interface ProxyReport {
  /** Connections taken so far. */
  connections: number;
  /** Chunks garbled so far. */
  garbled: number;
  /** When the proxy itself did not run. */
  stalls: Stall[];
}

type Order =
  | { type: 'set'; fault: NetworkFault }
  | { type: 'refuse after'; connections: number }
  | { type: 'cut' }
  | { type: 'forget' }
  | { type: 'report' };

export type ToProxy = Order & { id: number };
export type FromProxy =
  | { type: 'listening' }
  | { type: 'done'; id: number }
  | { type: 'report'; id: number; report: ProxyReport };

export interface Proxy {
  readonly port: number;
  /** Resolves once the fault, or the end of the last one, is in force. */
  set(fault: NetworkFault): Promise<void>;
  /** The other side is gone for good and never says so: what exists goes silent and stays so; new connections work. */
  forget(): Promise<void>;
  /** Takes so many more connections; those after them are reset. */
  refuseAfter(connections: number): Promise<void>;
  /** Resets every connection that exists. */
  cut(): Promise<void>;
  report(): Promise<ProxyReport>;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Port of the server behind it, on loopback. */
  target: number;
  /** Where it listens. */
  port: number;
}

/** @param target - port of the server behind it, on loopback. */
export async function startProxy(target: number): Promise<Proxy> {
  const port = await freePort();
  const { child, remove } = forkTypeScript(['proxy-process.ts', 'stalls.ts'], {
    target,
    port,
  } satisfies ProxyOptions);
  giveWay(child);
  const gone = once(child, 'exit');
  const waiting = new Map<number, (message: FromProxy) => void>();
  let lastId = 0;
  const listening = new Promise<void>((resolve, reject) => {
    child.on('message', (message: FromProxy) => {
      if (message.type === 'listening') resolve();
      else waiting.get(message.id)?.(message);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the proxy ended')));
  });

  const ask = (order: Order) =>
    new Promise<FromProxy>((resolve) => {
      const id = (lastId += 1);
      waiting.set(id, (answer) => {
        waiting.delete(id);
        resolve(answer);
      });
      child.send({ ...order, id });
    });

  try {
    await listening;
  } finally {
    remove();
  }
  return {
    port,
    async set(fault) {
      await ask({ type: 'set', fault });
    },
    async refuseAfter(connections) {
      await ask({ type: 'refuse after', connections });
    },
    async forget() {
      await ask({ type: 'forget' });
    },
    async cut() {
      await ask({ type: 'cut' });
    },
    async report() {
      const answer = await ask({ type: 'report' });
      if (answer.type !== 'report') throw new Error('the proxy gave no report');
      return answer.report;
    },
    async close() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
