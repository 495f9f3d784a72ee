import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  databaseReporter,
  errorReporter,
  progressReporter,
  slownessReporter,
  tellSafely,
} from '../../src/worker/reporters.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function openLog() {
  const said: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (text) => void said.push(JSON.parse(text) as never) });
  return { log, said, messages: () => said.map(({ msg }) => msg) };
}

test('an error that reconnecting repeats is said once a minute', () => {
  const { log, said } = openLog();
  const report = errorReporter(log, 'trouble');
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  for (let time = 0; time < 10; time++) report(refused);
  report(new Error('another'));
  expect(said.map(({ reason }) => reason)).toEqual(['refused', 'another']);
  vi.advanceTimersByTime(60_000);
  report(refused);
  expect(said).toHaveLength(3);
});

test('what an ACL refuses is an error with a remedy: it does not pass by itself', () => {
  const { log, said } = openLog();
  const report = errorReporter(log, 'trouble');
  report(new Error("NOPERM this user has no permissions to run the 'bzpopmin' command"));
  report(new Error("ERR The user executing the script can't run this command script: d96ca626"));
  expect(said).toMatchObject([
    { level: 50, remedy: expect.stringContaining('+@blocking') as string },
  ]);
});

test('that the ledger is away, and is back, is said once each, and not every time where it comes and goes', () => {
  const { log, messages } = openLog();
  const report = databaseReporter(log);
  report(undefined);
  for (let time = 0; time < 10; time++) report(new Error('away'));
  report(undefined);
  report(new Error('away again'));
  report(undefined);
  expect(messages()).toEqual(['ledger unreachable: nothing is sent', 'ledger reachable again']);
});

test('that the ledger is slow is said once a minute', () => {
  const { log, said } = openLog();
  const report = slownessReporter(log);
  for (let time = 0; time < 10; time++) report(600.4);
  expect(said).toMatchObject([{ answerMs: 600 }]);
  vi.advanceTimersByTime(60_000);
  report(700);
  expect(said).toHaveLength(2);
});

test('progress is said every ten seconds in which something ended, each end once', () => {
  const { log, said } = openLog();
  const progress = progressReporter(log);
  progress.begin(() => ({ inHand: 3 }));
  progress.ended('destroyed');
  progress.ended('destroyed');
  progress.ended('failed');
  vi.advanceTimersByTime(30_000);
  expect(said).toMatchObject([{ ended: { destroyed: 2, failed: 1 }, inHand: 3 }]);
  progress.close();
  progress.ended('destroyed');
  vi.advanceTimersByTime(30_000);
  expect(said).toHaveLength(1);
});

test('what a listener of the service throws, at once or later, is logged and nothing else', async () => {
  const { log, messages } = openLog();
  const heard: string[] = [];
  tellSafely(log, undefined, 'news');
  tellSafely(log, (news: string) => heard.push(news), 'news');
  tellSafely(
    log,
    () => {
      throw new Error('its own');
    },
    'news',
  );
  tellSafely(log, () => Promise.reject(new Error('its own')), 'news');
  await vi.waitFor(() => expect(messages()).toHaveLength(2));
  expect(heard).toEqual(['news']);
});
