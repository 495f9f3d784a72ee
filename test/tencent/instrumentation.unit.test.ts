/** What watches a process's HTTP calls records their URLs, and the signature is in ours. (Spans: test/worker/traces.unit.test.ts.) */
import diagnosticsChannel from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { bodyOf, http, startRawServer, type RawServer } from './raw-server.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function answering(): Promise<RawServer> {
  const server = await startRawServer(({ socket, room }) => socket.write(http(bodyOf(room))));
  closers.push(() => server.close());
  return server;
}

test('what listens to Node of its HTTP clients is told no signature, in the request or in what it holds', async () => {
  const told: string[] = [];
  const listen = (message: unknown) => told.push(inspect(message, { depth: 2 }));
  const server = await answering();
  const client = server.client();
  const names = [
    'http.client.request.created',
    'http.client.request.start',
    'http.client.response.finish',
  ];
  for (const name of names) {
    diagnosticsChannel.subscribe(name, listen);
    closers.push(() => diagnosticsChannel.unsubscribe(name, listen));
  }
  const request = client.prepareDestroy('room-1');
  await request.ready;
  await request.release();
  expect(told.length).toBeGreaterThan(0);
  for (const text of told)
    expect(text).not.toMatch(new RegExp(`path: .*${request.sig.text.slice(0, 24)}`));
});
