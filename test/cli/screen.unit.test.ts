import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createScreen, widthOf } from '../../src/cli/screen.js';

function streams(terminal: object | undefined) {
  const stdout = new PassThrough({ encoding: 'utf8' });
  const io = {
    ...{
      stdin: new PassThrough(),
      stderr: new PassThrough(),
      env: {},
      signals: process,
      exitCode: 0,
    },
    stdout: Object.assign(stdout, terminal),
  };
  return { io, written: () => (stdout.read() as string | null) ?? '' };
}

describe('on a terminal', () => {
  const terminal = { isTTY: true, columns: 20, rows: 5 };

  test('it is cleared once, and from then on drawn over', () => {
    const { io, written } = streams(terminal);
    const screen = createScreen(io);
    screen.show('one\ntwo');
    expect(written()).toBe('\u001b[?25l\u001b[2J\u001b[Hone\u001b[K\r\ntwo\u001b[K\r\n\u001b[J');
    screen.show('three');
    expect(written()).toBe('\u001b[Hthree\u001b[K\r\n\u001b[J');
    screen.end();
    expect(written()).toBe('\u001b[?25h');
  });

  test('a long line goes on below, indented, by words where there are any', () => {
    const { io, written } = streams({ ...terminal, rows: 24 });
    createScreen(io).show(`  what to do: start a worker\n${'x'.repeat(30)}`);
    const lines = written().split('\u001b[H')[1]?.split('\u001b[K\r\n');
    expect(lines).toEqual([
      ...['  what to do: start', '    a worker', 'x'.repeat(19), `  ${'x'.repeat(11)}`],
      '\u001b[J',
    ]);
  });

  test('lines too many are counted', () => {
    const { io, written } = streams(terminal);
    createScreen(io).show(`${'x'.repeat(30)}\n2\n3\n4\n5\n6`);
    const lines = written().split('\u001b[H')[1]?.split('\u001b[K\r\n');
    expect(lines).toEqual([
      ...['x'.repeat(19), `  ${'x'.repeat(11)}`, '2', '… and 4 lines more', '\u001b[J'],
    ]);
  });
});

test('elsewhere it has no control characters, and what did not change is not repeated', () => {
  const { io, written } = streams(undefined);
  const screen = createScreen(io);
  for (const text of ['one', 'one', 'two']) screen.show(text);
  screen.end();
  expect(written()).toBe('one\n\ntwo\n');
});

test('a file or a pipe takes lines of any length, a terminal that does not know 80 columns', () => {
  expect(widthOf(streams(undefined).io)).toBeUndefined();
  expect(widthOf(streams({ isTTY: true, columns: 0 }).io)).toBe(80);
  expect(widthOf(streams({ isTTY: true, columns: 132 }).io)).toBe(132);
});
