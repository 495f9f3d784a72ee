/** Asking a person, at a terminal that is not there. */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { confirmNumber, Declined } from '../../src/cli/confirm.js';
import type { Io } from '../../src/cli/io.js';

function terminal() {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new PassThrough(), { isTTY: true });
  const io: Io = { stdin, stdout: new PassThrough(), stderr, env: {}, exitCode: 0 };
  return {
    stdin,
    answer: confirmNumber(2_000, 'destroy 2,000 rooms for good?', 'no terminal', io),
  };
}

test.each(['2000\n', '2,000\n', ' 2 000 \n'])('%j confirms', async (typed) => {
  const { stdin, answer } = terminal();
  stdin.end(typed);
  await answer;
});

test.each(['yes\n', '200\n', '\n'])('%j does not, and nothing is done', async (typed) => {
  const { stdin, answer } = terminal();
  stdin.write(typed);
  await expect(answer).rejects.toMatchObject({
    code: 'REFUSED',
    message: expect.stringContaining('nothing was done') as unknown,
  });
});

test.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s declines', async (_key, typed) => {
  const { stdin, answer } = terminal();
  stdin.write(typed);
  await expect(answer).rejects.toBeInstanceOf(Declined);
});

test('the end of what is typed declines', async () => {
  const { stdin, answer } = terminal();
  stdin.end();
  await expect(answer).rejects.toBeInstanceOf(Declined);
});
