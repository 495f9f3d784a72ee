/** Spans, as the SDK of OpenTelemetry has them, with its stock instrumentation of HTTP loaded. */
import nodeHttp from 'node:http';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createApiClient } from '../../src/tencent/client.js';
import { createSigner } from '../../src/tencent/user-sig.js';
import { processJob } from '../../src/worker/process-job.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import { afterThisFile, afterThisTest } from '../support/clean-up.js';
import {
  bodyOf,
  credentials,
  http,
  startRawServer,
  type RawRequest,
} from '../tencent/raw-server.js';
import { madeUpContext, madeUpJob, requestedAtMs } from './made-up.js';

const exporter = new InMemorySpanExporter();
const instrumentation = new HttpInstrumentation();

const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

// Once in a process: two of them would take each other's place in the module that they change.
beforeAll(() => {
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
  // It changes the module when it is first asked for.
  createRequire(import.meta.url)('http');
  afterThisFile(() => {
    instrumentation.disable();
    trace.disable();
    context.disable();
    return provider.shutdown();
  });
});

beforeEach(() => exporter.reset());

/**
 * A worker whose jobs are processed side by side.
 *
 * @param answer - what the API does with the `times`-th request for a room.
 */
async function work(
  rooms: readonly number[],
  answer: (request: RawRequest & { times: number }) => void,
) {
  const asked = new Map<number, number>();
  const server = await startRawServer((request) => {
    const times = (asked.get(request.room) ?? 0) + 1;
    asked.set(request.room, times);
    answer({ ...request, times });
  });
  afterThisTest(() => server.close());
  const { endpoint } = server;
  const signer = createSigner(credentials);
  const client = createApiClient({ credentials, endpoint, signer, requestTimeoutMs: 60_000 });
  afterThisTest(() => client.close());
  const parts = { ...madeUpContext().context, client, signer };
  const batchId = newId();
  const jobs = rooms.map((room) => {
    const roomId = `room-${room}`;
    const id = batchDestructionId(batchId, requestedAtMs, roomId);
    const { job } = madeUpJob({ id, data: { r: roomId, b: batchId } });
    return Object.assign(job, { queueName: 'the-queue' });
  });
  await Promise.allSettled(jobs.map((job) => processJob(job, 'token', parts)));
  const spans = exporter.getFinishedSpans();
  return {
    endpoint,
    jobs: spans.filter(({ name }) => name === 'room_reaper.destroy'),
    others: spans.filter(({ name }) => name !== 'room_reaper.destroy'),
    told: toldOf(spans),
    secrets: [
      signer.current().text,
      credentials.secretKey,
      'usersig',
      ...rooms.map((room) => `room-${room}`),
    ],
    batchId,
  };
}

const childrenOf = (job: ReadableSpan | undefined, spans: readonly ReadableSpan[]) =>
  spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === job?.spanContext().spanId);

const code = (errorCode: number, room: number) =>
  http(`{"ErrorCode":${errorCode},"ErrorInfo":"no room-${room}","ActionStatus":"FAIL"}`);

const toldOf = (spans: readonly ReadableSpan[]): string =>
  inspect(
    spans.map(({ name, attributes, events, links, status, resource }) => [
      ...[name, attributes, events, links, status, resource.attributes],
    ]),
    { depth: null },
  );

test('where nobody keeps contexts the instrumentation makes a span of a request, without the signature', async () => {
  const server = await startRawServer(({ socket, room }) => socket.write(http(bodyOf(room))));
  afterThisTest(() => server.close());
  const request = server.client().prepareDestroy('room-1');
  await request.ready;
  expect(await request.release()).toMatchObject({ kind: 'reply', errorCode: 0 });
  const spans = exporter.getFinishedSpans();
  // It does watch.
  expect(spans).toHaveLength(1);
  const told = toldOf(spans);
  expect(told).toContain('/v4/live_engine_http_srv/destroy_room');
  expect(told).not.toContain(request.sig.text);
  expect(told).not.toMatch(/usersig/i);
});

describe('with an SDK', () => {
  beforeAll(() => {
    provider.register();
  });

  test('each job has a span, with one in it for each request, and none names a room or what signs it', async () => {
    const { jobs, others, told, secrets, endpoint, batchId } = await work(
      [701, 702, 703],
      ({ socket, room, times }) => {
        if (room === 702 && times === 1) socket.write(code(100001, room));
        else socket.write(room === 703 ? code(100006, room) : http(bodyOf(room)));
      },
    );
    expect(jobs).toHaveLength(3);
    for (const job of jobs) {
      expect(job.kind).toBe(SpanKind.CONSUMER);
      expect(job.parentSpanContext).toBeUndefined();
      expect(job.attributes).toMatchObject({
        'messaging.system': 'bullmq',
        'messaging.destination.name': 'the-queue',
        'messaging.message.id': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        'room_reaper.batch_id': batchId,
        'room_reaper.run_end': 'ended',
      });
    }
    const ofOutcome = (outcome: string) =>
      jobs.filter(({ attributes }) => attributes['room_reaper.outcome'] === outcome);
    const rejected = ofOutcome('rejected');
    const [first, second] = ofOutcome('destroyed').map((job) => childrenOf(job, others));
    const [once, twice] = first?.length === 1 ? [first, second] : [second, first];
    const url = `${endpoint}/v4/live_engine_http_srv/destroy_room`;
    const { hostname, port } = new URL(endpoint);
    const asked = {
      'http.request.method': 'POST',
      'url.full': url,
      'server.address': hostname,
      'server.port': Number(port),
      'http.response.status_code': 200,
    };
    expect(
      once?.map(({ name, kind, attributes, status }) => ({ name, kind, attributes, status })),
    ).toEqual([
      {
        name: 'POST /v4/live_engine_http_srv/destroy_room',
        kind: SpanKind.CLIENT,
        attributes: {
          ...asked,
          ...{ 'room_reaper.attempt': 1, 'room_reaper.verdict': 'destroyed' },
          'room_reaper.error_code': 0,
        },
        status: { code: SpanStatusCode.UNSET },
      },
    ]);
    expect(
      twice?.map(({ attributes, status }) => [
        attributes['room_reaper.verdict'],
        attributes['error.type'],
        status,
      ]),
    ).toEqual([
      ['transient', '100001', { code: SpanStatusCode.ERROR, message: 'internal error of the API' }],
      ['destroyed', undefined, { code: SpanStatusCode.UNSET }],
    ]);
    expect(rejected.map(({ status, attributes }) => [status, attributes['error.type']])).toEqual([
      [{ code: SpanStatusCode.ERROR }, 'rejected'],
    ]);
    expect(childrenOf(rejected[0], others)).toMatchObject([
      { status: { code: SpanStatusCode.ERROR }, attributes: { 'room_reaper.error_code': 100006 } },
    ]);
    // The instrumentation of HTTP made none of its own.
    expect(others).toHaveLength(4);
    for (const secret of secrets) expect(told).not.toContain(secret);
  });

  test('a request without an answer is told as one, and other calls of the process are traced as before', async () => {
    const { jobs, others } = await work([701, 702], ({ socket, room, times }) => {
      if (room === 701 && times === 1) socket.destroy();
      else socket.write(room === 702 ? http('', '', '503 Away') : code(100004, room));
    });
    const lost = others.filter(({ attributes }) => attributes['error.type'] === 'ECONNRESET');
    expect(lost).toMatchObject([{ status: { code: SpanStatusCode.ERROR } }]);
    expect(lost[0]?.attributes).not.toHaveProperty('http.response.status_code');
    const away = others.filter(({ attributes }) => attributes['error.type'] === '503');
    expect(away.length).toBeGreaterThan(1);
    expect(away[0]?.attributes).toMatchObject({ 'http.response.status_code': 503 });
    const [gone, later] = ['ended', 'retry_later'].map((end) =>
      jobs.find(({ attributes }) => attributes['room_reaper.run_end'] === end),
    );
    expect(gone).toMatchObject({ status: { code: SpanStatusCode.UNSET } });
    expect(later).toMatchObject({
      ...{ status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'retry_later' } },
    });
    expect(childrenOf(gone, others).length + childrenOf(later, others).length).toBe(others.length);

    exporter.reset();
    const server = await startRawServer(
      () => undefined,
      (socket) => socket.end(http('{}')),
    );
    afterThisTest(() => server.close());
    await new Promise((resolve) =>
      nodeHttp.get(server.endpoint, (reply) => reply.resume().once('close', resolve)),
    );
    expect(exporter.getFinishedSpans()).toMatchObject([{ kind: SpanKind.CLIENT, name: 'GET' }]);
  });

  test('an SDK that takes the place of another is told what follows', async () => {
    trace.disable();
    context.disable();
    const later = new InMemorySpanExporter();
    new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(later)] }).register();
    const { jobs } = await work([701], ({ socket, room }) => socket.write(http(bodyOf(room))));
    expect(jobs).toEqual([]);
    expect(later.getFinishedSpans().map(({ name }) => name)).toEqual([
      'POST /v4/live_engine_http_srv/destroy_room',
      'room_reaper.destroy',
    ]);
  });
});
