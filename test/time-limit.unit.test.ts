import { expect, test } from 'vitest';
import { reasonOf, TooSlow, within } from '../src/time-limit.js';

test('work within its time is its result, or its error', async () => {
  expect(await within(1_000, Promise.resolve(7))).toBe(7);
  await expect(within(1_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
});

test('work beyond its time is given up, and what it comes to later harms nobody', async () => {
  let fail: (error: Error) => void = () => undefined;
  const work = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  await expect(within(1, work)).rejects.toThrow(TooSlow);
  fail(new Error('later'));
});

test('work whose signal aborts is given up for the reason of the signal', async () => {
  const never = new Promise<never>(() => undefined);
  const controller = new AbortController();
  const given = within(controller.signal, never);
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(within(controller.signal, never)).rejects.toBe(reason);
  expect(await within(new AbortController().signal, Promise.resolve(7))).toBe(7);
});

test.each<[what: string, error: unknown, reason: string]>([
  ['a code of Node', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  ['an SQLSTATE', Object.assign(new Error('x'), { code: '28P01' }), '28P01'],
  [
    'the first word of a server',
    new Error('WRONGPASS invalid username-password pair'),
    'WRONGPASS',
  ],
  [
    'a message that repeats what it was sent is not shown',
    new Error("ERR unknown command 'AUTH', with args beginning with: 'hidden'"),
    'ERR',
  ],
  ['a URL is not shown', new TypeError('Invalid URL https://h/?usersig=hidden'), 'TypeError'],
  ['a code that is a sentence is not one', Object.assign(new Error('x'), { code: 'a b' }), 'Error'],
  [
    'that there is no connection to Redis',
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    'not connected',
  ],
  ['the limit', new TooSlow(5_000), 'no answer within 5 s'],
  ['no error at all', 'hidden', 'unknown error'],
])('the reason is %s', (_what, error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});
