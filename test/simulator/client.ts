import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { afterEach } from 'vitest';
import { startSimulator, type Simulator } from '../../src/simulator/simulator.js';
import { demoApp, type SimulatorOptions } from '../../src/simulator/simulator-options.js';
import type { Statistic } from '../../src/simulator/truth.js';

// Tencent's own generator: the simulator checks signatures with code of its own.
const { Api } = createRequire(import.meta.url)('tls-sig-api-v2') as {
  Api: new (
    sdkAppId: number,
    key: string,
  ) => { genUserSig(identifier: string, expire: number): string };
};

export const ADMIN = 'administrator';
export const APP = demoApp.sdkAppId;
export const PATH = '/v4/live_engine_http_srv/destroy_room';

export interface Reply {
  ErrorCode: number;
  ErrorInfo: string;
  ActionStatus: string;
  RequestId: string;
  Response?: { Statistic: Statistic };
}

export interface Changes {
  method?: string;
  path?: string;
  /** Whole query instead of the correct one. */
  query?: string;
  /** Parameters replaced in the correct query; undefined leaves one out. */
  parameters?: Record<string, string | undefined>;
  body?: string | Uint8Array;
  timeoutMs?: number;
}

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const simulator of open.splice(0)) await simulator.close();
});

/** A simulator that is closed after the test. */
export async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  return closing(await startSimulator(options));
}

export function closing<Closable extends { close(): Promise<void> }>(
  simulator: Closable,
): Closable {
  open.push(simulator);
  return simulator;
}

export function sign(
  changes: { sdkAppId?: number; key?: string; identifier?: string; expire?: number } = {},
): string {
  const { sdkAppId = APP, key = demoApp.secretKey, identifier = ADMIN, expire = 86_400 } = changes;
  return new Api(sdkAppId, key).genUserSig(identifier, expire);
}

let random = 0;

/** A correct query, but for `changes`. */
export function queryOf(changes: Record<string, string | undefined> = {}): string {
  const parameters = {
    sdkappid: String(APP),
    identifier: ADMIN,
    usersig: 'usersig' in changes ? undefined : sign(),
    random: String(random++),
    contenttype: 'json',
    ...changes,
  };
  return Object.entries(parameters)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** Sends one request for `roomId`, correct but for `changes`. */
export function send(
  simulator: { url: string },
  roomId: string,
  changes: Changes = {},
): Promise<Response> {
  const { method = 'POST', path = PATH, timeoutMs = 10_000 } = changes;
  const query = changes.query ?? queryOf(changes.parameters);
  return fetch(`${simulator.url}${path}?${query}`, {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    ...(method === 'GET' ? {} : { body: changes.body ?? JSON.stringify({ RoomId: roomId }) }),
  });
}

export async function destroy(
  simulator: { url: string },
  roomId: string,
  changes: Changes = {},
): Promise<Reply> {
  const response = await send(simulator, roomId, changes);
  return (await response.json()) as Reply;
}

/** ErrorCode of each of `count` requests for `roomId`, one after the other. */
export async function codesOf(
  simulator: { url: string },
  roomId: string,
  count: number,
): Promise<number[]> {
  const codes: number[] = [];
  for (let sent = 0; sent < count; sent++) codes.push((await destroy(simulator, roomId)).ErrorCode);
  return codes;
}

/**
 * ErrorCodes of one correct request for each room, all sent in one write over one connection:
 * they arrive within milliseconds, however busy the machine.
 */
export function burst(simulator: { url: string }, roomIds: readonly string[]): Promise<number[]> {
  const usersig = sign();
  const requests = roomIds.map((roomId) => {
    const body = JSON.stringify({ RoomId: roomId });
    const head = `POST ${PATH}?${queryOf({ usersig })} HTTP/1.1\r\nHost: localhost\r\n`;
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  });
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(simulator.url).port), '127.0.0.1');
    socket.setEncoding('utf8').on('error', reject);
    socket.on('data', (chunk: string) => {
      text += chunk;
      const codes = [...text.matchAll(/"ErrorCode":(\d+)/g)].map((match) => Number(match[1]));
      if (codes.length < roomIds.length) return;
      socket.destroy();
      resolve(codes);
    });
    socket.write(requests.join(''));
  });
}
