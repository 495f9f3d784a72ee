import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { formatReport } from '../../src/simulator/simulator-report.js';
import { createRepeatedRandoms } from '../../src/simulator/repeated-randoms.js';
import { burst, destroy, PATH, send, start } from './client.js';

test('a random that is used again is answered all the same, and counted', async () => {
  const simulator = await start({ rooms: 3 });
  for (const random of ['7', '8', '7', '7']) {
    await destroy(simulator, 'room-000001', { parameters: { random } });
  }
  expect(simulator.report()).toMatchObject({ repeatedRandoms: 2, codes: { '0': 1, '100004': 3 } });
});

test('a random is remembered for the last requests only', () => {
  const randoms = createRepeatedRandoms(3);
  for (const random of [1, 2, 3, 4, 1, 2]) randoms.record(random);
  expect(randoms.count()).toBe(0);
  randoms.record(4);
  expect(randoms.count()).toBe(1);
});

test('the codes add up to the requests, also when a sender leaves in the middle', async () => {
  const simulator = await start({ rooms: 1 });
  await destroy(simulator, 'room-000001');
  const socket = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`);
  await expect.poll(() => simulator.report().requests).toBe(2);
  socket.destroy();
  await expect.poll(() => simulator.report().codes).toEqual({ '0': 1, aborted: 1 });
});

test('the arrivals can be had for a plot, from the first on', async () => {
  const simulator = await start({ rooms: 3 });
  await burst(simulator, ['a', 'b', 'c']);
  const arrivals = simulator.arrivals();
  expect(arrivals).toHaveLength(3);
  expect(arrivals[0]).toBe(0);
  expect([...arrivals]).toEqual([...arrivals].sort((a, b) => a - b));
});

test('a latency for all delays every answer', async () => {
  const simulator = await start({ rooms: 1, latencyMs: 120 });
  const from = performance.now();
  await destroy(simulator, 'room-000001');
  expect(performance.now() - from).toBeGreaterThanOrEqual(115);
});

test('closing cuts what hangs, at once, and may be done twice', async () => {
  const simulator = await start({ rooms: ['a\thang'] });
  const hanging = expect(send(simulator, 'a')).rejects.toThrow('fetch failed');
  await expect.poll(() => simulator.report().codes).toEqual({ hang: 1 });
  await simulator.close();
  await simulator.close();
  await hanging;
});

test('the report reads well for people', async () => {
  const simulator = await start({ rooms: 2 });
  await burst(simulator, ['room-000001', 'room-000001', 'x']);
  const text = formatReport(simulator.report());
  expect(text).toMatch(/^requests +3 in 0\.\d s$/m);
  expect(text).toMatch(/^worst sliding second +3 requests, 0 over quota$/m);
  expect(text).toMatch(/^answers +0 × 1, 100004 × 2$/m);
  expect(text).toMatch(/^rooms +1 destroyed, 1 left$/m);
  expect(text).toMatch(/^for destroyed rooms +1 requests$/m);
  expect(text).toMatch(/^statistics +TotalViewers 69865,/m);
  expect(text).not.toContain('get_room');
  await send(simulator, 'x', { path: '/v4/live_engine_http_srv/get_room_info' });
  simulator.endRooms(['room-000002']);
  const more = formatReport(simulator.report());
  expect(more).toMatch(/^rooms +1 destroyed, 1 ended by the system, 0 left$/m);
  expect(more).toMatch(/^get_room_info +1 requests, 1 in the worst sliding second, 0 over quota$/m);
});
