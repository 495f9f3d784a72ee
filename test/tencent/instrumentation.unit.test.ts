/** What watches a process's HTTP calls records their URLs, and the signature is in ours. */
import diagnosticsChannel from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
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

test('with the HTTP instrumentation of OpenTelemetry loaded no span holds the signature', async () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const instrumentation = new HttpInstrumentation();
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
  closers.push(() => instrumentation.disable());
  // It changes the module when it is first asked for.
  createRequire(import.meta.url)('http');

  const server = await answering();
  const request = server.client().prepareDestroy('room-1');
  await request.ready;
  expect(await request.release()).toMatchObject({ kind: 'reply', errorCode: 0 });

  const spans = exporter.getFinishedSpans();
  const told = inspect(
    spans.map(({ name, attributes, events, links, status }) => [
      name,
      attributes,
      events,
      links,
      status,
    ]),
    { depth: null },
  );
  // It does watch.
  expect(spans).toHaveLength(1);
  expect(told).toContain('/v4/live_engine_http_srv/destroy_room');
  expect(told).not.toContain(request.sig.text);
  expect(told).not.toMatch(/usersig/i);
});

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
