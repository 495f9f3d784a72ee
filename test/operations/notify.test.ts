/** Events on their way to another service, on a real ledger. */
import diagnosticsChannel from 'node:diagnostics_channel';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { context, trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { eventTypes, startNotifier, type Notifier } from '../../src/operations/notify.js';
import { listen } from '../e2e/stage.js';
import { freePort } from '../support/program.js';
import { afterThisTest } from '../support/clean-up.js';
import { useService } from './service.js';

const lent = useService();
const sql = (text: string, values?: readonly unknown[]) => lent.sql(text, values);

const secret = `whsec_${Buffer.alloc(32, 'a secret').toString('base64')}`;

interface Received {
  id: string;
  type: string;
  data: unknown;
}

/** Receives as a stock receiver does, and answers with what `answer` says. */
async function openReceiver(
  answer: (times: number, received: Received) => { status: number; headers?: object } = () => ({
    status: 204,
  }),
) {
  const received: Received[] = [];
  const webhook = new Webhook(secret);
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { type, data } = webhook.verify(
      body,
      request.headers as Record<string, string>,
    ) as Received;
    const each = { id: String(request.headers['webhook-id']), type, data };
    received.push(each);
    const times = received.filter(({ id }) => id === each.id).length;
    const { status, headers = {} } = answer(times, each);
    response.writeHead(status, { ...headers }).end('thank you');
  };
  const server = createServer((request, response) => {
    take(request, response).catch(() => response.writeHead(401).end());
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}/hook?token=t0ken`, received };
}

function notify(
  url: string,
  lines: string[] = [],
  options: { firstPauseMs?: number } = {},
): Notifier {
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const notifier = startNotifier(lent.service, { url, secret, log, ...options });
  afterThisTest(() => notifier.close());
  return notifier;
}

async function happen(type: string = 'line.stopped', data: object = {}): Promise<string> {
  const [row] = (await sql(
    'insert into room_reaper.events (sdk_app_id, type, data) values ($1, $2, $3) returning id',
    [lent.service.config.sdkAppId, type, data],
  )) as { id: string }[];
  return row?.id ?? '';
}

const rowOf = async (id: string) =>
  (
    (await sql(
      'select due_at is null as done, tries, trouble from room_reaper.events where id = $1',
      [id],
    )) as { done: boolean; tries: number; trouble: string | null }[]
  )[0];

test('a stock receiver accepts each kind of event, once, also from two that deliver', async () => {
  const { url, received } = await openReceiver();
  const ids: string[] = [];
  for (const type of eventTypes) ids.push(await happen(type, { note: 'ü – 房间' }));
  notify(url);
  notify(url);
  for (const id of ids)
    await expect.poll(() => rowOf(id)).toEqual({ done: true, tries: 1, trouble: null });
  expect(received.map(({ type }) => type).sort()).toEqual([...eventTypes].sort());
  expect(new Set(received.map(({ id }) => id))).toEqual(new Set(ids));
  expect(received[0]?.data).toEqual({ note: 'ü – 房间' });
});

test('what fails comes again under the same id, and neither secret nor URL is logged', async () => {
  const { url, received } = await openReceiver((times) => ({ status: times < 3 ? 500 : 200 }));
  const lines: string[] = [];
  const id = await happen();
  notify(url, lines, { firstPauseMs: 1 });
  await expect.poll(() => rowOf(id)).toEqual({ done: true, tries: 3, trouble: null });
  expect(received.map((each) => each.id)).toEqual([id, id, id]);
  expect(lines.join('')).toContain('HTTP 500');
  expect(lines.join('')).not.toMatch(/whsec_|t0ken|a secret/);
});

test('what instruments fetch makes no span of a delivery: the URL may hold a token', async () => {
  const provider = new NodeTracerProvider();
  provider.register();
  afterThisTest(() => {
    context.disable();
    trace.disable();
  });
  const tracer = provider.getTracer('of fetch');
  expect(tracer.startSpan('POST').isRecording()).toBe(true);
  const recorded: boolean[] = [];
  const note = () => void recorded.push(tracer.startSpan('POST').isRecording());
  diagnosticsChannel.subscribe('undici:request:create', note);
  afterThisTest(() => void diagnosticsChannel.unsubscribe('undici:request:create', note));
  const { url, received } = await openReceiver();
  await happen();
  notify(url);
  await expect.poll(() => received).toHaveLength(1);
  expect(recorded).toEqual([false]);
});

test('a receiver that wants no more of it gets no more, one that names a time is waited for', async () => {
  const { url } = await openReceiver((_times, { type }) =>
    type === 'line.resumed' ? { status: 410 } : { status: 429, headers: { 'Retry-After': '3600' } },
  );
  const [gone, busy] = [await happen('line.resumed'), await happen('line.stopped')];
  notify(url);
  await expect.poll(() => rowOf(gone)).toEqual({ done: true, tries: 1, trouble: 'HTTP 410' });
  await expect.poll(() => rowOf(busy)).toMatchObject({ done: false, trouble: 'HTTP 429' });
  expect(
    await sql(
      "select due_at > now() + interval '50 minutes' as is_later from room_reaper.events where id = $1",
      [busy],
    ),
  ).toEqual([{ is_later: true }]);
});

test('a redirect is not followed: the signature was not meant for where it leads', async () => {
  const other = await openReceiver();
  const { url } = await openReceiver(() => ({ status: 307, headers: { Location: other.url } }));
  const id = await happen();
  notify(url);
  await expect.poll(() => rowOf(id)).toMatchObject({ done: false, trouble: 'HTTP 307' });
  expect(other.received).toEqual([]);
});

test('where nobody listens it is tried again later, and why is told without the URL', async () => {
  const id = await happen();
  notify(`http://127.0.0.1:${await freePort()}/hook?token=t0ken`);
  await expect.poll(() => rowOf(id)).toMatchObject({ done: false, tries: 1 });
  await expect.poll(async () => (await rowOf(id))?.trouble).toBe('ECONNREFUSED');
});

test('a port to which no HTTP client sends is told as such', async () => {
  const id = await happen();
  notify('http://127.0.0.1:9/hook?token=t0ken');
  const trouble = 'NOTIFY_URL must have another port than 9, to which no HTTP client sends';
  await expect.poll(() => rowOf(id)).toMatchObject({ done: false, trouble });
});

test('what was under way when one that delivers ended is delivered by the next', async () => {
  let release: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    release = resolve;
  });
  const silent = await listen(createServer(() => release()));
  const id = await happen();
  const first = notify(`http://127.0.0.1:${silent}/`);
  await asked;
  await first.close();
  const { url, received } = await openReceiver();
  notify(url);
  await expect.poll(() => rowOf(id)).toMatchObject({ done: true, trouble: null });
  expect(received).toHaveLength(1);
});
