/** HTTP/1.1 tells by order alone which request an answer belongs to. */
import { createHash } from 'node:crypto';
import type net from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { bodyOf, destroy, http, startRawServer, totalIn, type RawServer } from './raw-server.js';

const open: RawServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(...handlers: Parameters<typeof startRawServer>): Promise<RawServer> {
  const server = await startRawServer(...handlers);
  open.push(server);
  return server;
}

describe('a connection is closed and not used again', () => {
  test.each<[rule: string, afterwards: (socket: net.Socket) => void]>([
    ['on which the answer came twice', (socket) => socket.write(http(bodyOf(1)))],
    ['on which another answer came', (socket) => socket.write(http(bodyOf(99)))],
    ['on which half an answer came', (socket) => socket.write('HTTP/1.1 200 OK\r\n')],
    ['on which a single byte came', (socket) => socket.write('\n')],
    [
      'on which the server says that it waited too long',
      (socket) => socket.write(http('', '', '408 Request Timeout')),
    ],
  ])('%s, while nobody used it', async (_rule, afterwards) => {
    const server = await serve(({ socket, room }) => {
      socket.write(http(bodyOf(room)));
      if (room === 1) setTimeout(afterwards, 20, socket);
    });
    const client = server.client();
    expect(totalIn(await destroy(client, 1))).toBe(1);
    await sleep(100);
    expect(totalIn(await destroy(client, 2))).toBe(2);
    expect(server.connections()).toBe(2);
  });

  test('on which something came behind the answer, in one packet', async () => {
    const server = await serve(({ socket, room }) => {
      const twice = room === 1 ? [http(bodyOf(1)), http(bodyOf(1))] : [http(bodyOf(room))];
      socket.write(Buffer.concat(twice));
    });
    const client = server.client();
    expect(totalIn(await destroy(client, 1))).toBe(1);
    expect(totalIn(await destroy(client, 2))).toBe(2);
    expect(server.connections()).toBe(2);
  });

  test('whose answer says so', async () => {
    const server = await serve(({ socket, room }) => {
      const body = bodyOf(room);
      socket.write(http(body, `Connection: close\r\nContent-Length: ${body.length}\r\n`));
    });
    const client = server.client();
    for (const room of [1, 2]) expect(totalIn(await destroy(client, room))).toBe(room);
    expect(server.connections()).toBe(2);
  });
});

test('a request that is connected is written in the turn in which it is released', async () => {
  const server = await serve(({ socket, room }) => socket.write(http(bodyOf(room))));
  const request = server.client().prepareDestroy('room-1');
  await request.ready;
  await request.readOnceMore();
  let isWritten = false;
  const answered = request.release(() => (isWritten = true));
  await nextTurn();
  expect(isWritten).toBe(true);
  expect(await answered).toMatchObject({ kind: 'reply' });
});

describe('an answer that is there before the request is none to it', () => {
  test('while it waits for its slot it becomes unusable, unsent', async () => {
    const server = await serve(({ socket, room }) => {
      socket.write(http(bodyOf(room)));
      setTimeout(() => socket.write(http(bodyOf(room))), 100);
    });
    const client = server.client();
    await destroy(client, 1);
    const request = client.prepareDestroy('room-2');
    await request.ready;
    expect(request.isUsable()).toBe(true);
    await expect.poll(() => request.isUsable()).toBe(false);
    expect(await request.release()).toEqual({
      kind: 'network',
      code: 'ERR_UNASKED_ANSWER',
      written: false,
    });
    expect(server.requests()).toBe(1);
  });

  test('also where it lies unread in the socket when the slot comes', async () => {
    const sockets: net.Socket[] = [];
    const server = await serve(({ socket, room }) => {
      sockets.push(socket);
      socket.write(http(bodyOf(room)));
    });
    const client = server.client();
    await destroy(client, 1);
    const request = client.prepareDestroy('room-2');
    await request.ready;
    sockets[0]?.write(http(bodyOf(1)));
    // The process is busy when the bytes arrive, and its slot is next.
    const until = performance.now() + 50;
    while (performance.now() < until);
    await request.readOnceMore();
    expect(request.isUsable()).toBe(false);
    expect(await request.release()).toMatchObject({ code: 'ERR_UNASKED_ANSWER', written: false });
    expect(server.requests()).toBe(1);
  });

  test('on a new connection too', async () => {
    const server = await serve(
      () => undefined,
      (socket) => socket.write(http(bodyOf(99))),
    );
    const request = server.client().prepareDestroy('room-1');
    await request.ready;
    await expect.poll(() => request.isUsable()).toBe(false);
    expect(await request.release()).toMatchObject({ kind: 'network', written: false });
  });
});

describe('an answer that comes once more when the next request was sent', () => {
  /** Four rooms are answered first, so that the ids are known to tell answers apart. */
  async function repeating(late: (socket: net.Socket, room: number) => void) {
    const server = await serve(({ socket, room }) => {
      if (room <= 4) socket.write(http(bodyOf(room)));
      else late(socket, room);
    });
    const client = server.client();
    for (const room of [1, 2, 3, 4]) await destroy(client, room);
    return { server, client };
  }

  const repeated = { kind: 'network', code: 'ERR_REPEATED_ANSWER', written: true };

  test.each<[rule: string, late: (socket: net.Socket, room: number) => void]>([
    ['alone', (socket) => socket.write(http(bodyOf(4)))],
    [
      'before the own one',
      (socket, room) => {
        socket.write(http(bodyOf(4)));
        setTimeout(() => socket.write(http(bodyOf(room))), 50);
      },
    ],
    [
      'in one packet with the own one',
      (socket, room) => socket.write(Buffer.concat([http(bodyOf(4)), http(bodyOf(room))])),
    ],
    ['after three others', (socket) => socket.write(http(bodyOf(1)))],
  ])('is known by its RequestId, and its connection is closed: %s', async (_rule, late) => {
    const { server, client } = await repeating((socket, room) => {
      if (room === 5) late(socket, room);
      else socket.write(http(bodyOf(room)));
    });
    expect(await destroy(client, 5)).toEqual(repeated);
    expect(totalIn(await destroy(client, 6))).toBe(6);
    expect(server.connections()).toBe(2);
  });

  test('is known by its RequestId also where many others came on the connection since', async () => {
    const server = await serve(({ socket, room }) => {
      socket.write(http(bodyOf(room === 201 ? 1 : room)));
    });
    const client = server.client();
    for (let room = 1; room <= 200; room++) await destroy(client, room);
    expect(server.connections()).toBe(1);
    expect(await destroy(client, 201)).toEqual(repeated);
    expect(totalIn(await destroy(client, 202))).toBe(202);
  });

  test('a server that gives all answers one id is believed all the same', async () => {
    const server = await serve(({ socket, room }) => socket.write(http(bodyOf(room, 'Id-1'))));
    const client = server.client();
    for (let room = 1; room <= 20; room++) expect(totalIn(await destroy(client, room))).toBe(room);
    expect(server.connections()).toBe(1);
  });

  test('so is one that gives none', async () => {
    const server = await serve(({ socket, room }) => {
      socket.write(http(bodyOf(room).replace(/"RequestId":"[^"]*",/, '')));
    });
    const client = server.client();
    for (let room = 1; room <= 20; room++) expect(totalIn(await destroy(client, room))).toBe(room);
  });
});

test('an answer after the timeout reaches nobody: its connection is gone', async () => {
  let answerLate = (): unknown => undefined;
  const server = await serve(({ socket, room }) => {
    const answer = () => socket.write(http(bodyOf(room)));
    if (room === 1) answerLate = answer;
    else answer();
  });
  const client = server.client({ requestTimeoutMs: 200 });
  expect(await destroy(client, 1)).toEqual({ kind: 'timeout' });
  answerLate();
  await sleep(50);
  expect(totalIn(await destroy(client, 2))).toBe(2);
  expect(server.connections()).toBe(2);
});

test('a thousand rooms, twenty at a time, of which one in ten is answered twice at any time: no answer goes to another room', async () => {
  const server = await serve(({ socket, room }) => {
    // Between 0 and 63 ms, the same in every run.
    const [draw = 0, gap = 0] = createHash('sha256').update(String(room)).digest();
    setTimeout(() => socket.write(http(bodyOf(room))), 5);
    if (draw < 26) setTimeout(() => socket.write(http(bodyOf(room))), 5 + (gap % 64));
  });
  const client = server.client();
  const wrong: string[] = [];
  let right = 0;
  let next = 1;
  const work = async () => {
    while (next <= 1_000) {
      const room = next++;
      const request = client.prepareDestroy(`room-${room}`);
      await request.ready;
      await sleep(room % 8);
      await request.readOnceMore();
      const answer = await request.release();
      const total = totalIn(answer);
      if (total === room) right += 1;
      else if (total !== undefined) wrong.push(`room ${room} was told ${total}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  expect(wrong).toEqual([]);
  expect(right).toBeGreaterThan(800);
});
