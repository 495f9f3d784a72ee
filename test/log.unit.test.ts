import fs from 'node:fs';
import got from 'got';
import type { Logger } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLog } from '../src/log.js';

/** What was written to stderr by file descriptor, as pino does. */
let written = '';

beforeEach(() => {
  written = '';
  // pino takes `writeSync` from this very object.
  vi.spyOn(fs, 'writeSync').mockImplementation((fd: number, data: unknown) => {
    expect(fd).toBe(2);
    const text = String(data);
    written += text;
    return Buffer.byteLength(text);
  });
});
afterEach(() => vi.restoreAllMocks());

const secret = 'eJwtzM0KgkAUhuF7mW3hmRl*SIG-NATURE_';
const url = `https://console.tim.qq.com/v4/live_engine_http_srv/destroy_room?sdkappid=1&identifier=administrator&usersig=${secret}&random=1&contenttype=json`;

const forms: [form: string, make: () => Logger][] = [
  ['for machines', () => createLog({ level: 'trace', readable: false, colour: false })],
  ['for people', () => createLog({ level: 'trace', readable: true, colour: false })],
  ['for people, in colour', () => createLog({ level: 'trace', readable: true, colour: true })],
];

/** What a log line about this error looks like, once it is out. */
async function logged(log: Logger, error: unknown): Promise<string> {
  log.error({ err: error }, 'it went wrong');
  await expect.poll(() => written).toContain('it went wrong');
  return written;
}

function errorWith(fields: object, message = 'it broke'): Error {
  return Object.assign(new Error(message), fields);
}

describe.each(forms)('an error in the log %s', (_form, make) => {
  test.each<[rule: string, error: () => unknown]>([
    ['in its message', () => new Error(`cannot POST ${url}`)],
    ['in its message, in quotes', () => new Error(`cannot POST "${url}" 'or ${url}'`)],
    ['in its message, as a path', () => new Error(url.slice(url.indexOf('/v4')))],
    ['in a field of its own', () => errorWith({ url, path: url, config: { headers: { url } } })],
    ['in the options of a client', () => errorWith({ options: { url: new URL(url) } })],
    ['in its cause', () => new Error('it broke', { cause: new Error(`cannot POST ${url}`) })],
    ['in one of many', () => new AggregateError([new Error(url)], 'it broke')],
    ['in what is no error', () => `cannot POST ${url}`],
  ])('that holds a URL with a query %s is written without it', async (_rule, error) => {
    const text = await logged(make(), error());
    expect(text).not.toContain(secret);
    expect(text).not.toContain('usersig');
  });

  test('of the HTTP client is written without the signature', async () => {
    const refused = url.replace('https://console.tim.qq.com', 'http://127.0.0.1:1');
    const error: unknown = await got
      .post(refused, { retry: { limit: 0 } })
      .catch((e: unknown) => e);
    const text = await logged(make(), error);
    expect(text).not.toContain(secret);
    expect(text).toContain('ECONNREFUSED');
  });

  test('says what went wrong: its name, code, message and stack', async () => {
    const error = errorWith({ code: 'ECONNRESET', name: 'RequestError' }, 'read ECONNRESET');
    const text = await logged(make(), error);
    expect(text).toContain('RequestError');
    expect(text).toContain('read ECONNRESET');
    expect(text).toContain('log.unit.test.ts');
  });

  test('does not carry the command of a database client, where passwords are', async () => {
    const error = errorWith({ command: { name: 'auth', args: ['hunter2'] }, query: 'hunter2' });
    expect(await logged(make(), error)).not.toContain('hunter2');
  });
});

describe('the log for machines', () => {
  const log = (level: string) => createLog({ level, readable: false, colour: false });

  test('is one JSON object a line', () => {
    const logger = log('info');
    logger.info({ roomId: 'a\nb' }, 'one');
    logger.warn('two');
    const lines = written.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { level: 30, roomId: 'a\nb', msg: 'one' },
      { level: 40, msg: 'two' },
    ]);
  });

  test('is silent below its level', () => {
    log('warn').info('not this');
    log('silent').fatal('nor this');
    expect(written).toBe('');
    log('warn').warn('this');
    expect(written).toContain('this');
  });
});

test('without colour, a line for people has no escape sequence; with it, it has', async () => {
  const lineOf = async (colour: boolean) => {
    written = '';
    createLog({ level: 'info', readable: true, colour }).info('hello');
    await expect.poll(() => written).toContain('hello');
    return written;
  };
  expect(await lineOf(false)).not.toContain('\x1b[');
  expect(await lineOf(true)).toContain('\x1b[');
});

test.each(forms)('in a log %s, no text from outside can act on a terminal', async (_form, make) => {
  const hostile = '\u001b]0;owned\u0007\u009b31m\u202e\u007f\r';
  const log = make();
  log.warn({ jobId: hostile, nested: { hostile }, err: new Error(hostile) }, `about ${hostile}`);
  log.warn('at the end');
  await expect.poll(() => written).toContain('at the end');
  // The codes for colours are the log's own.
  const text = written.replace(/\u001b\[\d+m/g, '').replace(/\n/g, '');
  expect(text).toContain('owned');
  expect(text).not.toMatch(/\p{Cc}|[\u202a-\u202e]/u);
});
