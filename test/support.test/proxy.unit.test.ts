import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startProxy, type Proxy } from '../support/proxy.js';

let echo: Server;
let proxy: Proxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startProxy((echo.address() as { port: number }).port);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  echo.close();
  await proxy.close();
});

async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  // A reset is what some of these tests are about; it may come after they have ended.
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function said(socket: Socket, text: string): Promise<Buffer> {
  socket.write(text);
  const chunks: Buffer[] = [];
  while (Buffer.concat(chunks).length < text.length) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function failed(socket: Socket): Promise<string | undefined> {
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  return error.code;
}

test('without a fault, bytes and ends pass both ways', async () => {
  const socket = await dial();
  const long = 'x'.repeat(1_000_000);
  expect((await said(socket, long)).toString()).toBe(long);
  socket.end();
  await once(socket, 'end');
  expect((await proxy.report()).connections).toBe(1);
});

test('a delay holds traffic up and keeps its order', async () => {
  const socket = await dial();
  await proxy.set({ kind: 'delay', toServerMs: 50, toClientMs: 100 });
  const sentAt = performance.now();
  const whole = said(socket, 'first second');
  expect((await whole).toString()).toBe('first second');
  expect(performance.now() - sentAt).toBeGreaterThan(145);
});

test('a cut resets what is connected, and new connections work', async () => {
  const socket = await dial();
  await said(socket, 'hello');
  const failure = failed(socket);
  await proxy.cut();
  expect(await failure).toBe('ECONNRESET');
  expect((await said(await dial(), 'again')).toString()).toBe('again');
});

test('in a silence nothing arrives and nobody is told; its end resets the connection, and nothing arrives late', async () => {
  const socket = await dial();
  await said(socket, 'hello');
  const [atServer] = sockets.filter((each) => each !== socket);
  const heard: string[] = [];
  atServer?.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
  await proxy.set({ kind: 'silence' });
  const late = await dial();
  const failures = Promise.all([failed(socket), failed(late)]);
  socket.write('lost');
  late.write('lost too');
  // The proxy has read both by the time it answers a question asked on another way later.
  await proxy.report();
  expect(socket.destroyed).toBe(false);
  await proxy.set({ kind: 'none' });
  expect(await failures).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(heard).toEqual([]);
});

test('a forgotten connection stays silent, and new ones work', async () => {
  const socket = await dial();
  await said(socket, 'hello');
  let heard = 0;
  socket.on('data', () => (heard += 1));
  await proxy.forget();
  socket.write('is anybody there');
  expect((await said(await dial(), 'again')).toString()).toBe('again');
  // No other fault, and no end of one, wakes it.
  for (const kind of ['silence', 'none', 'refuse', 'none'] as const) await proxy.set({ kind });
  expect([heard, socket.destroyed]).toEqual([0, false]);
});

test('while it refuses no connection is taken, and afterwards it listens where it did', async () => {
  const socket = await dial();
  const failure = failed(socket);
  await proxy.set({ kind: 'refuse' });
  expect(await failure).toBe('ECONNRESET');
  const refused = connect(proxy.port, '127.0.0.1');
  expect(await failed(refused)).toBe('ECONNREFUSED');
  await proxy.set({ kind: 'none' });
  expect((await said(await dial(), 'again')).toString()).toBe('again');
});

test('garbling sets the high bit of one byte of a chunk, towards the client only', async () => {
  const socket = await dial();
  await proxy.set({ kind: 'garble', share: 1, seed: 7 });
  const back = await said(socket, 'nothing above ASCII');
  const altered = [...back].filter((byte) => byte >= 0x80);
  expect(altered).toHaveLength(1);
  expect((await proxy.report()).garbled).toBe(1);
  expect(Buffer.from(back.map((byte) => byte & 0x7f)).toString()).toBe('nothing above ASCII');
});
