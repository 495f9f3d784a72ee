import { expect, test } from 'vitest';
import { statisticsOf } from '../../src/simulator/truth.js';
import { codesOf, destroy, send, sign, start } from './client.js';

async function control(
  simulator: { url: string },
  method: string,
  what: string,
  body?: string,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${simulator.url}/simulator/${what}`, {
    method,
    ...(body !== undefined && { body }),
  });
  return { status: response.status, text: await response.text() };
}

test('PUT and DELETE /simulator/fault switch a fault for all rooms', async () => {
  const simulator = await start({ rooms: 1 });
  expect((await control(simulator, 'PUT', 'fault', '503\n')).status).toBe(200);
  expect((await send(simulator, 'room-000001')).status).toBe(503);
  expect((await control(simulator, 'DELETE', 'fault')).status).toBe(200);
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
});

test('POST /simulator/rooms creates rooms, with faults', async () => {
  const simulator = await start();
  expect((await control(simulator, 'POST', 'rooms', 'a\nb\t100001*1\n')).status).toBe(200);
  expect(await codesOf(simulator, 'a', 1)).toEqual([0]);
  expect(await codesOf(simulator, 'b', 2)).toEqual([100001, 0]);
});

test('POST /simulator/ended-rooms ends rooms without a request, and POST /simulator/rooms creates them again', async () => {
  const simulator = await start({ rooms: 2 });
  expect((await control(simulator, 'POST', 'ended-rooms', 'room-000001\nno\n')).status).toBe(200);
  expect(await codesOf(simulator, 'room-000001', 1)).toEqual([100004]);
  expect(simulator.report()).toMatchObject({
    rooms: { destroyed: 0, ended: 1, left: 1 },
    requestsForDestroyedRooms: 0,
    endedStatistics: statisticsOf('room-000001'),
  });
  await control(simulator, 'POST', 'rooms', 'room-000001');
  expect(await codesOf(simulator, 'room-000001', 2)).toEqual([0, 100004]);
});

test('POST /simulator/invalidate-signatures makes used UserSigs 70052', async () => {
  const simulator = await start({ rooms: 2 });
  const parameters = { usersig: sign() };
  await destroy(simulator, 'room-000001', { parameters });
  expect((await control(simulator, 'POST', 'invalidate-signatures')).status).toBe(200);
  expect((await destroy(simulator, 'room-000002', { parameters })).ErrorCode).toBe(70052);
});

test('GET /simulator/report is the report, and no switch is an arrival', async () => {
  const simulator = await start({ rooms: 1 });
  await destroy(simulator, 'room-000001');
  await control(simulator, 'PUT', 'fault', '503');
  const { text } = await control(simulator, 'GET', 'report');
  expect(JSON.parse(text)).toEqual(simulator.report());
  expect(simulator.report()).toMatchObject({ requests: 1, codes: { '0': 1 } });
});

test('a switch that is not understood is HTTP 400 with the reason, and changes nothing', async () => {
  const simulator = await start({ rooms: 1 });
  const refused = await control(simulator, 'PUT', 'fault', 'crash');
  expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('crash') as string });
  expect((await control(simulator, 'POST', 'rooms', 'é')).text).toContain('line 1');
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
});

test.each([
  ['GET', 'fault'],
  ['POST', 'report'],
  ['GET', 'nothing'],
])('%s /simulator/%s is HTTP 404', async (method, what) => {
  const simulator = await start();
  expect((await control(simulator, method, what)).status).toBe(404);
});
