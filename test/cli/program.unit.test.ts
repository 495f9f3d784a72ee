import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { exitCodes, type Io } from '../../src/cli/io.js';
import { reportError } from '../../src/cli/program.js';
import { ReaperError } from '../../src/errors.js';

function reported(error: unknown): { code: number; said: string } {
  const stderr = new PassThrough();
  const io: Io = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    env: {},
    exitCode: exitCodes.ok,
  };
  const code = reportError(error, io);
  return { code, said: String(stderr.read()) };
}

const withCode = (message: string, code: string) => Object.assign(new Error(message), { code });
const named = (name: string) => Object.assign(new Error('Reached the max retries'), { name });

describe('a server that goes away while a command runs is no bug of ours', () => {
  test.each([
    ['a connection that is reset', withCode('read ECONNRESET', 'ECONNRESET')],
    ['a name that cannot be looked up', withCode('getaddrinfo EAI_AGAIN db', 'EAI_AGAIN')],
    ['a Postgres that shuts down', withCode('terminating connection', '57P01')],
    ['a connection that ends', new Error('Connection terminated unexpectedly')],
    ['a Redis that does not come back', named('MaxRetriesPerRequestError')],
  ])('%s', (_what, error) => {
    const { code, said } = reported(error);
    expect(code).toBe(exitCodes.usage);
    expect(said).toMatch(/^room-reaper: a server went away: .*; run it again when it is back\n$/);
  });
});

describe('any other error is, and says where it was', () => {
  test.each([
    ['of the program', new TypeError('x is not a function')],
    ['of Node about an argument', withCode('The value is out of range', 'ERR_OUT_OF_RANGE')],
    ['of a file', withCode('ENOSPC: no space left on device', 'ENOSPC')],
    ['of a statement', withCode('relation does not exist', '42P01')],
  ])('%s', (_what, error) => {
    const { code, said } = reported(error);
    expect(code).toBe(exitCodes.notGone);
    expect(said).toContain('This is a bug');
    expect(said).toContain('program.unit.test.ts');
  });
});

test('an error of ours is said in its own words', () => {
  expect(reported(new ReaperError('INVALID', 'rooms must be given'))).toEqual({
    code: exitCodes.usage,
    said: 'room-reaper: rooms must be given\n',
  });
});
