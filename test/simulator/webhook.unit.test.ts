import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { statisticsOf } from '../../src/simulator/truth.js';
import { fateOf, readWebhookFaults } from '../../src/simulator/webhook-faults.js';
import { afterThisTest } from '../support/clean-up.js';
import { destroy, start } from './client.js';

interface Received {
  query: Record<string, string>;
  body: Record<string, unknown> & { RoomId: string };
}

/**
 * Takes callbacks.
 *
 * @param answers - by RoomId, the statuses of the first of them; `hang`: none, `cut`: the
 *   connection is cut. After those, 200.
 */
async function receive(answers: Record<string, (number | 'hang' | 'cut')[]> = {}) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const { searchParams } = new URL(request.url ?? '', 'http://receiver');
      const body = JSON.parse(text) as Received['body'];
      received.push({ query: Object.fromEntries(searchParams), body });
      const answer = answers[body.RoomId]?.shift() ?? 200;
      if (answer === 'cut') response.destroy();
      else if (answer !== 'hang') response.writeHead(answer).end('{"ActionStatus":"OK"}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterThisTest(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { received, url: `http://127.0.0.1:${port}/webhooks/tencent` };
}

test('a room that goes is told as documented: signed, by whom, when, and with its totals', async () => {
  const { received, url } = await receive();
  const webhook = { url: `${url}?tenant=1`, token: 'a token' };
  const simulator = await start({ rooms: 2, webhook });
  const from = Date.now();
  await destroy(simulator, 'room-000001');
  simulator.endRooms(['room-000002']);
  await destroy(simulator, 'room-000002');
  await destroy(simulator, 'never');
  await expect
    .poll(() => simulator.report().webhook)
    .toEqual({
      ...{ posts: 2, taken: 2, lost: 0, refused: 0, givenUp: 0, dropped: 0, waiting: 0 },
    });
  const byRoom = (roomId: string) => received.find(({ body }) => body.RoomId === roomId);
  const first = byRoom('room-000001');
  expect(first?.query).toMatchObject({
    ...{ tenant: '1', SdkAppid: '1400000000', contenttype: 'json', OptPlatform: 'RESTAPI' },
    ...{ CallbackCommand: 'Live.CallbackAfterDestroyRoom', ClientIP: '127.0.0.1' },
  });
  const { Sign, RequestTime = '' } = first?.query ?? {};
  expect(Number(RequestTime)).toBeGreaterThanOrEqual(Math.floor(from / 1_000));
  expect(Sign).toBe(createHash('sha256').update(`a token${RequestTime}`).digest('hex'));
  expect(first?.body).toMatchObject({
    ...{ CallbackCommand: 'Live.CallbackAfterDestroyRoom', EventType: 'DestroyByUser' },
    ...{ Operator_Account: 'administrator', Statistic: statisticsOf('room-000001') },
    RoomInfo: { RoomId: 'room-000001', Owner_Account: expect.any(String) as string },
  });
  expect(first?.body['EventTime']).toBeGreaterThanOrEqual(from);
  expect(byRoom('room-000002')?.body).toMatchObject({ EventType: 'DestroyBySystem' });
});

test('a room created again is told with its own totals; without a token nothing is signed', async () => {
  const { received, url } = await receive();
  const simulator = await start({ rooms: 1, webhook: { url } });
  await destroy(simulator, 'room-000001');
  simulator.addRooms(['room-000001']);
  await destroy(simulator, 'room-000001');
  await expect.poll(() => received.length).toBe(2);
  const totals = received.map(({ body }) => body['Statistic']);
  expect(totals).toContainEqual(statisticsOf('room-000001', 0));
  expect(totals).toContainEqual(statisticsOf('room-000001', 1));
  expect(received[0]?.query).not.toHaveProperty('Sign');
});

test('what is answered 5xx, or not at all, is sent again, and another refusal is not', async () => {
  const { received, url } = await receive({ a: [503], b: ['cut'], c: [401] });
  const simulator = await start({ anyRoom: true, webhook: { url, token: 't' } });
  for (const roomId of ['a', 'b', 'c']) await destroy(simulator, roomId);
  await expect
    .poll(() => simulator.report().webhook, { timeout: 20_000 })
    .toMatchObject({ posts: 5, taken: 2, refused: 1, waiting: 0 });
  expect(received.map(({ body }) => body.RoomId).sort()).toEqual(['a', 'a', 'b', 'b', 'c']);
});

test('a receiver that answers nothing holds no answer up, and has a few posts at once', async () => {
  const rooms = Array.from({ length: 30 }, (_, index) => `room ${index}`);
  const { received, url } = await receive(Object.fromEntries(rooms.map((id) => [id, ['hang']])));
  const simulator = await start({ anyRoom: true, webhook: { url } });
  for (const roomId of rooms) expect((await destroy(simulator, roomId)).ErrorCode).toBe(0);
  await expect.poll(() => received.length).toBe(8);
  expect(simulator.report().webhook).toMatchObject({ posts: 8, waiting: 30 });
  await simulator.close();
});

test('faults: lost is not sent, twice is sent twice, no-statistics has none, late comes later', async () => {
  const { received, url } = await receive();
  const simulator = await start({ anyRoom: true });
  const meet = async (fault: string, roomId: string) => {
    simulator.setWebhook({ url, faults: [`${fault}=1`], latestSeconds: 0.5 });
    await destroy(simulator, roomId);
    await expect.poll(() => simulator.report().webhook?.waiting).toBe(0);
    return simulator.report().webhook;
  };
  expect(await meet('lost', 'a')).toMatchObject({ posts: 0, lost: 1 });
  expect(await meet('twice', 'b')).toMatchObject({ posts: 2, taken: 2 });
  expect(await meet('no-statistics', 'c')).toMatchObject({ posts: 1, taken: 1 });
  expect(await meet('late', 'd')).toMatchObject({ posts: 1, taken: 1 });
  expect(received.map(({ body }) => body.RoomId)).toEqual(['b', 'b', 'c', 'd']);
  expect(received[0]).toEqual(received[1]);
  expect(received[2]?.body).not.toHaveProperty('Statistic');
  simulator.setWebhook(undefined);
  await destroy(simulator, 'e');
  expect(simulator.report()).not.toHaveProperty('webhook');
});

test('which callback meets which fault is drawn from the seed and the room, in about the share', () => {
  const shares = readWebhookFaults(['lost=0.5', 'lost=.1', 'late=0.2', 'twice=1']);
  const fates = (seed: number) =>
    Array.from({ length: 2_000 }, (_, index) =>
      fateOf(shares, { roomId: `room-${index}`, life: 0, createdAt: undefined }, seed, 60_000),
    );
  const drawn = fates(1);
  expect(fates(1)).toEqual(drawn);
  expect(fates(2)).not.toEqual(drawn);
  const lost = drawn.filter((fate) => fate.lost).length;
  expect(lost).toBeGreaterThan(140);
  expect(lost).toBeLessThan(260);
  const late = drawn.map(({ delayMs }) => delayMs).filter((delayMs) => delayMs > 0);
  expect(late.length).toBeGreaterThan(320);
  expect(Math.min(...late)).toBeGreaterThanOrEqual(3_000);
  expect(Math.max(...late)).toBeLessThanOrEqual(60_000);
  expect(drawn.every((fate) => fate.twice && fate.withStatistic)).toBe(true);
});

test.each([
  [{ url: 'nowhere' }, 'webhook must be an http or https URL, got "nowhere"'],
  [{ url: 'file:///etc' }, 'webhook must be an http or https URL'],
  [{ url: 'http://a:b@127.0.0.1' }, 'webhook must be a URL without a password'],
  [{ url: 'http://127.0.0.1', token: '' }, 'webhook token must not be empty'],
  [{ url: 'http://127.0.0.1', faults: ['late'] }, 'webhook fault must be one of lost, late'],
  [{ url: 'http://127.0.0.1', faults: ['late=2'] }, 'got "late=2"'],
  [{ url: 'http://127.0.0.1', faults: ['gone=0.5'] }, 'got "gone=0.5"'],
])('a webhook of %j is refused', async (webhook, message) => {
  await expect(start({ webhook })).rejects.toThrow(message);
});
