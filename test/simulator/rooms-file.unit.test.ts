import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ReaperError } from '../../src/errors.js';
import { parseRooms } from '../../src/simulator/rooms-file.js';
import { codesOf, start } from './client.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'room-list-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('a list of simulated rooms has a RoomId a line, and after a tab its faults', () => {
  const entries = parseRooms(['a', 'b\t502*1,latency=5', 'c'], 'list');
  expect(entries.map(({ roomId, faults }) => [roomId, faults.length])).toEqual([
    ['a', 0],
    ['b', 2],
    ['c', 0],
  ]);
});

test('blank lines and the CR of a line end are skipped, spaces count', () => {
  const entries = parseRooms(['', ' a ', '\r', 'b\r', 'c\tgone\r'], 'list');
  expect(entries.map(({ roomId }) => roomId)).toEqual([' a ', 'b', 'c']);
  expect(entries[2]?.faults[0]?.effect.kind).toBe('gone');
});

test('a list of simulated rooms with problems is refused, and every problem is named with its line', () => {
  const lines = ['good', 'x'.repeat(49), '', 'café', 'a\tcrash,502*0', 'b\t'];
  let error: unknown;
  try {
    parseRooms(lines, 'rooms.txt');
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ReaperError);
  expect(error).toMatchObject({ code: 'INVALID' });
  const said = (error as ReaperError).message.split('\n');
  expect(said[0]).toContain('rooms.txt');
  expect(said[0]).toContain('5 problem(s)');
  const told = said.slice(1).map((line) => /line (\d): (\S+)/.exec(line)?.slice(1, 3).join(' '));
  expect(told).toEqual(['2 RoomId', '4 RoomId', '5 fault', '5 count', '6 fault']);
});

test('a list of simulated rooms with very many problems says how many more there are', () => {
  const lines = Array.from({ length: 80 }, () => 'é');
  expect(() => parseRooms(lines, 'list')).toThrow('and 30 more');
});

test('a list of simulated rooms can come from a file, besides the rooms given', async () => {
  const roomsFile = join(folder, 'rooms.txt');
  await writeFile(roomsFile, 'a\r\nb\t100001*1\r\n');
  const simulator = await start({ rooms: 1, roomsFile });
  expect(await codesOf(simulator, 'a', 1)).toEqual([0]);
  expect(await codesOf(simulator, 'b', 2)).toEqual([100001, 0]);
  expect(await codesOf(simulator, 'room-000001', 1)).toEqual([0]);
});

test('a list of simulated rooms in a file that cannot be read is a usage error', async () => {
  const roomsFile = join(folder, 'missing.txt');
  await expect(start({ roomsFile })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining('missing.txt') as string,
  });
});

test('a list of simulated rooms added with a problem adds nothing', async () => {
  const simulator = await start();
  expect(() => simulator.addRooms(['a', 'é'])).toThrow('line 2');
  expect(simulator.room('a').state).toBe('absent');
});

test('a list of simulated rooms may name a room twice: it is one room', async () => {
  const simulator = await start({ rooms: ['a\t100001*1', 'a'] });
  expect(simulator.report().rooms.left).toBe(1);
  expect(await codesOf(simulator, 'a', 3)).toEqual([100001, 0, 100004]);
});

test.each([
  ['port', { port: 70_000 }],
  ['sdkAppId', { sdkAppId: 0 }],
  ['secretKey', { secretKey: '' }],
  ['quotaPerSecond', { quotaPerSecond: 0 }],
  ['latencyMs', { latencyMs: -1 }],
  ['latencyMs', { latencyMs: Number.NaN }],
  ['seed', { seed: 0.5 }],
  ['rooms', { rooms: -1 }],
  ['rooms', { rooms: 'rooms.txt' }],
  ['fault', { faults: ['100001', 'crash'] }],
])('options that are wrong are usage errors: %s in %o', async (name, options) => {
  await expect(start(options)).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(new RegExp(`^${name} must`)) as string,
  });
});

test('options that are wrong are usage errors: a port that is taken', async () => {
  const { url } = await start();
  const port = Number(new URL(url).port);
  await expect(start({ port })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining('EADDRINUSE') as string,
  });
});
