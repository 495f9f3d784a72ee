import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { parseFaults } from '../../src/simulator/faults.js';
import { numberedRooms } from '../../src/simulator/rooms-file.js';
import { statisticsOf } from '../../src/simulator/truth.js';
import { burst, codesOf, destroy, PATH, queryOf, send, start } from './client.js';

const always = Number.POSITIVE_INFINITY;

test.each([
  ['100001', [{ effect: { kind: 'code', code: 100001, acts: false }, left: always, share: 1 }]],
  ['70001*1', [{ effect: { kind: 'code', code: 70001, acts: false }, left: 1, share: 1 }]],
  ['502*2', [{ effect: { kind: 'status', status: 502, acts: false }, left: 2, share: 1 }]],
  ['act+502', [{ effect: { kind: 'status', status: 502, acts: true }, left: always, share: 1 }]],
  ['cut', [{ effect: { kind: 'cut', acts: true }, left: always, share: 1 }]],
  ['keep+cut', [{ effect: { kind: 'cut', acts: false }, left: always, share: 1 }]],
  ['hang', [{ effect: { kind: 'hang', acts: false }, left: always, share: 1 }]],
  ['act+hang', [{ effect: { kind: 'hang', acts: true }, left: always, share: 1 }]],
  ['latency=300', [{ effect: { kind: 'latency', ms: 300 }, left: always, share: 1 }]],
  ['latency=300*2=0.5', [{ effect: { kind: 'latency', ms: 300 }, left: 2, share: 0.5 }]],
  ['garbage=.25', [{ effect: { kind: 'garbage', acts: true }, left: always, share: 0.25 }]],
  [
    '60007*1, noresponse',
    [
      { effect: { kind: 'code', code: 60007, acts: false }, left: 1, share: 1 },
      { effect: { kind: 'noresponse' }, left: always, share: 1 },
    ],
  ],
])('the grammar of faults: %s', (text, faults) => {
  expect(parseFaults(text, 'service')).toEqual({ faults, problems: [] });
});

test.each([
  ['', 'fault must be'],
  ['crash', 'fault must be'],
  ['CUT', 'fault must be'],
  ['302', 'fault must be'],
  ['0', 'fault must be'],
  ['latency', 'fault must be'],
  ['latency=fast', 'fault must be'],
  ['502*0', 'count after *'],
  ['502*', 'count after *'],
  ['502*two', 'count after *'],
  ['502=0', 'share after ='],
  ['502=1.5', 'share after ='],
  ['502=half', 'share after ='],
  ['act+noresponse', 'act+ must stand before'],
  ['gone', 'gone must stand alone'],
])('the grammar of faults: %j is refused: %s', (text, problem) => {
  const parsed = parseFaults(text, 'service');
  expect(parsed.problems).toEqual([expect.stringContaining(problem)]);
});

test('the grammar of faults: a share is refused for one room, gone is not', () => {
  expect(parseFaults('502=0.5', 'room').problems).toEqual([
    expect.stringContaining('share must not be given for one room'),
  ]);
  expect(parseFaults('gone', 'room').problems).toEqual([]);
  expect(parseFaults('gone*2', 'room').problems).toHaveLength(1);
});

test('the grammar of faults: every problem is listed, not only the first', () => {
  expect(parseFaults('crash,502*0,100001', 'room').problems).toHaveLength(2);
});

test('an ErrorCode with a count meets the first requests, then all is well', async () => {
  const simulator = await start({ rooms: ['a\t100001*2', 'b'] });
  expect(await codesOf(simulator, 'a', 4)).toEqual([100001, 100001, 0, 100004]);
  expect(await codesOf(simulator, 'b', 1)).toEqual([0]);
});

test('an ErrorCode without a count is the answer always', async () => {
  const simulator = await start({ rooms: ['a\t100006'] });
  expect(await codesOf(simulator, 'a', 3)).toEqual([100006, 100006, 100006]);
  expect(simulator.room('a')).toEqual({ state: 'live', requests: 3 });
});

test('several faults of one room come one after the other', async () => {
  const simulator = await start({ rooms: ['a\t70001*1,60007*2,100001*1'] });
  expect(await codesOf(simulator, 'a', 5)).toEqual([70001, 60007, 60007, 100001, 0]);
  // An injected 60007 says nothing about the quota.
  expect(simulator.report()).toMatchObject({ overQuota: 0, codes: { '60007': 2 } });
});

test('an HTTP status comes with a page that is not JSON', async () => {
  const simulator = await start({ rooms: ['a\t502*1'] });
  const response = await send(simulator, 'a');
  expect(response.status).toBe(502);
  expect(await response.text()).toContain('<html>');
  expect(await codesOf(simulator, 'a', 1)).toEqual([0]);
});

test('act+ destroys the room although the answer does not say so', async () => {
  const simulator = await start({ rooms: ['a\tact+502*1', 'b\tact+60008*1'] });
  expect((await send(simulator, 'a')).status).toBe(502);
  expect(await codesOf(simulator, 'a', 1)).toEqual([100004]);
  expect(await codesOf(simulator, 'b', 2)).toEqual([60008, 100004]);
});

test.each([
  ['cut*1', 'destroyed'],
  ['keep+cut*1', 'live'],
])('%s cuts the connection without an answer; the room is %s', async (fault, state) => {
  const simulator = await start({ rooms: [`a\t${fault}`] });
  await expect(send(simulator, 'a')).rejects.toThrow('fetch failed');
  expect(simulator.room('a').state).toBe(state);
  expect(simulator.report().codes).toEqual({ cut: 1 });
});

test.each([
  ['hang*1', 'live'],
  ['act+hang*1', 'destroyed'],
])('%s never answers; the room is %s', async (fault, state) => {
  const simulator = await start({ rooms: [`a\t${fault}`] });
  await expect(send(simulator, 'a', { timeoutMs: 1_500 })).rejects.toThrow('timeout');
  expect(simulator.room('a').state).toBe(state);
  expect(simulator.report().codes).toEqual({ hang: 1 });
});

test('stall sends the head and half a body, then nothing; the room is destroyed', async () => {
  const simulator = await start({ rooms: ['a\tstall'] });
  const response = await send(simulator, 'a', { timeoutMs: 2_000 });
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow('timeout');
  expect(simulator.room('a').state).toBe('destroyed');
});

test('garbage is 200 with a body that is not JSON; the room is destroyed', async () => {
  const simulator = await start({ rooms: ['a\tgarbage*1'] });
  const response = await send(simulator, 'a');
  expect(response.status).toBe(200);
  await expect(response.json()).rejects.toThrow(SyntaxError);
  expect(await codesOf(simulator, 'a', 1)).toEqual([100004]);
});

test('noresponse is success without Response, and 100004 once the room is gone', async () => {
  const simulator = await start({ rooms: ['a\tnoresponse'] });
  const reply = await destroy(simulator, 'a');
  expect(reply).toMatchObject({ ErrorCode: 0, ActionStatus: 'OK' });
  expect(reply).not.toHaveProperty('Response');
  expect(await codesOf(simulator, 'a', 1)).toEqual([100004]);
  expect(simulator.report().codes).toEqual({ noresponse: 1, '100004': 1 });
});

test('twice is the success two times, with one RequestId; the room is destroyed once', async () => {
  const simulator = await start({ rooms: ['a\ttwice'] });
  const socket = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  const answers = () => [...text.matchAll(/\{"ErrorCode":0.*?\}\}\}/g)].map(([answer]) => answer);
  const body = '{"RoomId":"a"}';
  socket.write(
    `POST ${PATH}?${queryOf()} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await expect.poll(() => answers().length).toBe(2);
  socket.destroy();
  expect(answers()[1]).toBe(answers()[0]);
  expect(simulator.report().codes).toEqual({ '0': 1 });
  expect(simulator.report().rooms).toEqual({ destroyed: 1, ended: 0, left: 0 });
});

test('gone means that the room never existed', async () => {
  const simulator = await start({ rooms: ['a\tgone'] });
  expect(await codesOf(simulator, 'a', 2)).toEqual([100004, 100004]);
  expect(simulator.report().rooms).toEqual({ destroyed: 0, ended: 0, left: 0 });
});

test('latency delays the answer, not the act, and goes together with another fault', async () => {
  const simulator = await start({ rooms: ['a\tlatency=2000,100001*1'] });
  const from = performance.now();
  expect(await codesOf(simulator, 'a', 1)).toEqual([100001]);
  expect(performance.now() - from).toBeGreaterThanOrEqual(1_995);
  await expect(send(simulator, 'a', { timeoutMs: 1_000 })).rejects.toThrow('timeout');
  expect(simulator.room('a').state).toBe('destroyed');
});

test('a fault with a share meets about that many requests, and for one seed the same rooms in any order', async () => {
  const rooms = [...numberedRooms(400)];
  const run = async (seed: number, order: string[]): Promise<string[]> => {
    const simulator = await start({
      anyRoom: true,
      faults: ['100001=0.25'],
      quotaPerSecond: Number.POSITIVE_INFINITY,
      seed,
    });
    const codes = await burst(simulator, order);
    return order.filter((_, index) => codes[index] === 100001).sort();
  };
  const first = await run(1, rooms);
  expect(first.length).toBeGreaterThan(60);
  expect(first.length).toBeLessThan(140);
  expect(await run(1, rooms.toReversed())).toEqual(first);
  expect(await run(2, rooms)).not.toEqual(first);
});

test('the share of a fault is drawn for each request anew: a retry may pass', async () => {
  const simulator = await start({ anyRoom: true, faults: ['100001=0.5'] });
  const codes = await codesOf(simulator, 'a', 40);
  expect(codes).toContain(100001);
  expect(codes).toContain(0);
});

test('the count of a fault for the service is for all rooms together', async () => {
  const simulator = await start({ rooms: 3, faults: ['100001*2'] });
  const codes = [];
  for (const roomId of ['room-000001', 'room-000002', 'room-000003']) {
    codes.push((await destroy(simulator, roomId)).ErrorCode);
  }
  expect(codes).toEqual([100001, 100001, 0]);
});

test('the faults of the room come first and keep the count of the others', async () => {
  const simulator = await start({ rooms: ['a\t100006*1'], faults: ['100001*1'] });
  expect(await codesOf(simulator, 'a', 3)).toEqual([100006, 100001, 0]);
});

test('setFault comes before all others, and undefined ends it', async () => {
  const simulator = await start({ rooms: ['a\t100006*1'], faults: ['100001*1'] });
  simulator.setFault('70003');
  expect(await codesOf(simulator, 'a', 2)).toEqual([70003, 70003]);
  simulator.setFault('502');
  expect((await send(simulator, 'a')).status).toBe(502);
  simulator.setFault(undefined);
  expect(await codesOf(simulator, 'a', 3)).toEqual([100006, 100001, 0]);
});

test('a fault does not hide a request that breaks a rule', async () => {
  const simulator = await start({ rooms: 1 });
  simulator.setFault('502');
  expect((await destroy(simulator, 'room-000001', { body: '' })).ErrorCode).toBe(60003);
});

test('setFault refuses what it does not understand and leaves the fault as it was', async () => {
  const simulator = await start({ rooms: ['a'] });
  simulator.setFault('100001');
  expect(() => simulator.setFault('crash')).toThrow('fault must be');
  expect(await codesOf(simulator, 'a', 1)).toEqual([100001]);
});

test('a room met by a fault still has its statistics when it is destroyed later', async () => {
  const simulator = await start({ rooms: ['a'], faults: ['100001*1'] });
  await destroy(simulator, 'a');
  expect((await destroy(simulator, 'a')).Response?.Statistic).toEqual(statisticsOf('a'));
});
