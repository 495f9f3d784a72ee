/** Asking a person, at a terminal that is not there. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { confirmNumber, Declined } from '../../src/cli/confirm.js';
import type { Io } from '../../src/cli/io.js';
import { runProgram } from '../../src/cli/program.js';

function openTerminal() {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stderr = Object.assign(new PassThrough(), { isTTY: true });
  const io: Io = {
    stdin,
    stdout: new PassThrough(),
    stderr,
    env: {},
    signals: process,
    exitCode: 0,
  };
  return { stdin, stderr, io };
}

function terminal() {
  const { stdin, io } = openTerminal();
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

/** What is asked before these rooms are destroyed; whoever is asked declines. */
async function questionOf(flags: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const list = join(folder, 'rooms.txt');
  const dataDir = join(folder, 'data');
  writeFileSync(list, Array.from({ length: 1_001 }, (_, index) => `room-${index}\n`).join(''));
  const { stdin, stderr, io } = openTerminal();
  stdin.end();
  await runProgram(['destroy', list, ...flags], io, () => ({
    ...{ TENCENT_SDK_APP_ID: '1400000007', TENCENT_SECRET_KEY: 'k'.repeat(64) },
    ROOM_REAPER_DATA_DIR: dataDir,
  }));
  expect(io.exitCode).toBe(130);
  expect(readdirSync(folder)).toEqual(['rooms.txt']);
  rmSync(folder, { recursive: true });
  stderr.end();
  return text(stderr);
}

test('before many rooms the question names the app; of a simulation it names none', async () => {
  expect(await questionOf([])).toMatch(
    /destroy 1,001 rooms of app 1400000007 at console\.tim\.qq\.com \(china\) for good\? Type 1,001 /,
  );
  const simulated = await questionOf(['--simulate']);
  expect(simulated).toMatch(/destroy 1,001 rooms for good\? Type 1,001 /);
  expect(simulated).not.toContain('1400000007');
});
