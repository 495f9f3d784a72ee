import { deflateSync } from 'node:zlib';
import { afterEach, expect, test, vi } from 'vitest';
import { readUserSig } from '../../src/simulator/signatures.js';
import { ADMIN, APP, destroy, sign, start } from './client.js';

afterEach(() => vi.useRealTimers());

function encode(fields: unknown): string {
  const base64 = deflateSync(JSON.stringify(fields)).toString('base64');
  return base64.replaceAll('+', '*').replaceAll('/', '-').replaceAll('=', '_');
}

function forged(changes: Record<string, unknown>): string {
  const read = readUserSig(sign());
  if (typeof read === 'number') throw new Error('the generator and the reader must agree');
  const { identifier, sdkAppId, time, expire, sig } = read;
  return encode({
    'TLS.ver': '2.0',
    'TLS.identifier': identifier,
    'TLS.sdkappid': sdkAppId,
    'TLS.time': time,
    'TLS.expire': expire,
    'TLS.sig': sig,
    ...changes,
  });
}

const bad: [rule: string, code: number, usersig: () => string][] = [
  ['an empty UserSig is 70002', 70002, () => ''],
  ['characters outside its alphabet are 70003', 70003, () => `${sign().slice(0, -1)}!`],
  ['text that was never deflated is 70003', 70003, () => 'abcdefgh'],
  ['a truncated UserSig is 70005', 70005, () => sign().slice(0, 80)],
  ['deflated text that is not JSON fields is 70003', 70003, () => encode('sig')],
  ['another version is 70003', 70003, () => forged({ 'TLS.ver': '1.0' })],
  [
    'a null expiry, as a generator fed with text makes it, is 70003',
    70003,
    () => sign({ expire: NaN }),
  ],
  ['a UserSig of another key is 70009', 70009, () => sign({ key: 'another key' })],
  ['a later expiry written into it is 70009', 70009, () => forged({ 'TLS.expire': 9_999_999 })],
  ['a signature of another length is 70009', 70009, () => forged({ 'TLS.sig': 'AAAA' })],
  ['a UserSig of another identifier is 70013', 70013, () => sign({ identifier: 'someone' })],
  ['a UserSig of another app is 70014', 70014, () => sign({ sdkAppId: APP + 1 })],
  ['an expired UserSig is 70001', 70001, () => sign({ expire: -1 })],
  ['a UserSig expires in the very second that was named', 70001, () => sign({ expire: 0 })],
];

test.each(bad)('a UserSig that is wrong is refused: %s', async (_rule, code, usersig) => {
  const simulator = await start({ rooms: 1 });
  const reply = await destroy(simulator, 'room-000001', { parameters: { usersig: usersig() } });
  expect(reply.ErrorCode).toBe(code);
  expect(simulator.room('room-000001').state).toBe('live');
});

test('an app that does not exist is 70020, however well signed', async () => {
  const simulator = await start({ rooms: 1 });
  const usersig = sign({ sdkAppId: APP + 1 });
  const parameters = { sdkappid: String(APP + 1), usersig };
  expect((await destroy(simulator, 'room-000001', { parameters })).ErrorCode).toBe(70020);
});

test('a valid UserSig of someone who is no administrator is 60010', async () => {
  const simulator = await start({ rooms: 1 });
  const parameters = { identifier: 'someone', usersig: sign({ identifier: 'someone' }) };
  expect((await destroy(simulator, 'room-000001', { parameters })).ErrorCode).toBe(60010);
});

test('the app, key and administrator can be chosen', async () => {
  const app = { sdkAppId: 1_500_000_001, secretKey: 'k', adminIdentifier: 'boss' };
  const simulator = await start({ ...app, rooms: 1 });
  const usersig = sign({ sdkAppId: app.sdkAppId, key: 'k', identifier: 'boss' });
  const parameters = { sdkappid: String(app.sdkAppId), identifier: 'boss', usersig };
  expect((await destroy(simulator, 'room-000001', { parameters })).ErrorCode).toBe(0);
});

test('one UserSig serves many requests, and its expiry is looked at in each', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  const simulator = await start({ rooms: 3 });
  const parameters = { usersig: sign({ expire: 60 }) };
  expect((await destroy(simulator, 'room-000001', { parameters })).ErrorCode).toBe(0);
  vi.setSystemTime(1_800_000_059_999);
  expect((await destroy(simulator, 'room-000002', { parameters })).ErrorCode).toBe(0);
  vi.setSystemTime(1_800_000_060_000);
  expect((await destroy(simulator, 'room-000003', { parameters })).ErrorCode).toBe(70001);
});

test('making UserSigs invalid refuses a used one with 70052, and one made anew in the same second works', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_500 });
  const simulator = await start({ rooms: 2 });
  const used = { usersig: sign() };
  expect((await destroy(simulator, 'room-000001', { parameters: used })).ErrorCode).toBe(0);
  simulator.invalidateSignatures();
  expect((await destroy(simulator, 'room-000002', { parameters: used })).ErrorCode).toBe(70052);
  const anew = { usersig: sign({ expire: 86_401 }) };
  expect((await destroy(simulator, 'room-000002', { parameters: anew })).ErrorCode).toBe(0);
});

test('making UserSigs invalid refuses one of an earlier second that was never used', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_500 });
  const simulator = await start({ rooms: 1 });
  const unused = { usersig: sign() };
  vi.setSystemTime(1_800_000_001_000);
  simulator.invalidateSignatures();
  expect((await destroy(simulator, 'room-000001', { parameters: unused })).ErrorCode).toBe(70052);
});

test('making UserSigs invalid leaves those made later alone', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_500 });
  const simulator = await start({ rooms: 1 });
  simulator.invalidateSignatures();
  vi.setSystemTime(1_800_000_001_000);
  expect((await destroy(simulator, 'room-000001')).ErrorCode).toBe(0);
});

test('the reader gives back what the generator of Tencent put in', () => {
  expect(readUserSig(sign({ expire: 600 }))).toMatchObject({
    identifier: ADMIN,
    sdkAppId: APP,
    expire: 600,
  });
});
