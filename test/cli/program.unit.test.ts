import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { exitCodes, type Io } from '../../src/cli/io.js';
import { commands, reportError, runProgram } from '../../src/cli/program.js';
import { ReaperError } from '../../src/errors.js';

/** All of it: since Node 26 one read is one chunk. */
function written(stream: PassThrough): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) return Buffer.concat(chunks).toString();
    chunks.push(chunk);
  }
}

function reported(error: unknown): { code: number; said: string } {
  const stderr = new PassThrough();
  const io: Io = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    env: {},
    signals: process,
    exitCode: exitCodes.ok,
  };
  const code = reportError(error, io);
  return { code, said: written(stderr) };
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

describe('the help', () => {
  const newIo = () => ({
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    env: {},
    signals: process,
    exitCode: 0,
  });
  const help = async (...argv: string[]): Promise<string> => {
    const io = newIo();
    await runProgram(argv, io, () => ({}));
    return written(io.stdout);
  };

  test.each(Object.entries(commands))(
    'says what %s takes, without loading it, as the command itself does',
    async (name, { takes, load }) => {
      const command = (await load())(newIo());
      expect(`${name} ${takes}`.trim()).toBe(command.createHelp().subcommandTerm(command));
    },
  );

  test('of a command can be asked for in two ways', async () => {
    const own = await help('cancel', '--help');
    expect(own).toContain('Usage: room-reaper cancel [options] [BATCH...]');
    expect(own).toContain(commands['cancel']?.does);
    expect(await help('help', 'cancel')).toBe(own);
  });

  test('is of the whole program where it is asked for before a command', async () => {
    expect(await help('--help', 'cancel')).toBe(await help('--help'));
  });

  test('the version is that of the package', async () => {
    const file = new URL('../../package.json', import.meta.url);
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    expect(await help('--version')).toBe(`${version}\n`);
  });
});
