/** A server that writes its answers byte by byte as a test says, and the client that asks it. */
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import type { Answer } from '../../src/tencent/answer.js';
import { createApiClient, type ApiClient } from '../../src/tencent/client.js';
import { createSigner } from '../../src/tencent/user-sig.js';

export const credentials = {
  sdkAppId: 1_400_000_001,
  secretKey: 'a secret key that is long enough',
  adminIdentifier: 'administrator',
};

/** The documented success; the totals tell the rooms apart. */
export function bodyOf(total: number, requestId = `Id-${total}`): string {
  return `{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"${requestId}","Response":{"Statistic":{"TotalViewers":${total},"TotalGiftsSent":2,"TotalGiftCoins":3,"TotalUniqueGiftSenders":4,"TotalLikesReceived":5}}}`;
}

export function http(body: string | Buffer, headers = '', status = '200 OK'): Buffer {
  const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const type = /content-type/i.test(headers) ? '' : 'Content-Type: application/json\r\n';
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status}\r\n${type}${headers || length}\r\n`),
    Buffer.from(body),
  ]);
}

/** The total by which an answer is known to be a room's. */
export function totalIn(answer: Answer): number | undefined {
  if (answer.kind !== 'reply' || answer.statistics === undefined) return undefined;
  return Number(answer.statistics.totalViewers);
}

export interface RawRequest {
  socket: net.Socket;
  /** The number in its room's name. */
  room: number;
  /** Counted over all connections, from 1. */
  count: number;
}

export interface RawServer {
  readonly endpoint: string;
  client(options?: { requestTimeoutMs?: number }): ApiClient;
  connections(): number;
  requests(): number;
  close(): Promise<void>;
}

/** @param onRequest - told each whole request, for `room-NUMBER`. */
export async function startRawServer(
  onRequest: (request: RawRequest) => void,
  onConnection: (socket: net.Socket) => void = () => undefined,
): Promise<RawServer> {
  const sockets = new Set<net.Socket>();
  const clients: ApiClient[] = [];
  let connections = 0;
  let count = 0;
  const server = net.createServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (let found; (found = /\{"RoomId":"room-(\d+)"\}/.exec(text)) !== null;) {
        text = text.slice(found.index + found[0].length);
        count += 1;
        onRequest({ socket, room: Number(found[1]), count });
      }
    });
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    client({ requestTimeoutMs = 2_000 } = {}) {
      const signer = createSigner(credentials);
      const client = createApiClient({ credentials, endpoint, signer, requestTimeoutMs });
      clients.push(client);
      return client;
    },
    connections: () => connections,
    requests: () => count,
    async close() {
      for (const client of clients) client.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function destroy(client: ApiClient, room = 1): Promise<Answer> {
  const request = client.prepareDestroy(`room-${room}`);
  await request.ready;
  await request.readOnceMore();
  return request.release();
}
