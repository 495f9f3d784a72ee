import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { Io } from '../../src/cli/io.js';
import { acceptPlan, describePlan } from '../../src/cli/plan.js';
import { forecast, fullPace, type Outlook } from '../../src/operations/forecast.js';

const nowMs = new Date(2026, 10, 23, 2, 0, 0).getTime();
const minute = 60_000;
/** 196 a second, and a queue that could not be read. */
const unseen: Outlook = { ...fullPace(5.1), waitingAhead: undefined };

function plan(
  rooms: number,
  options: { outlook?: Partial<Outlook>; notBeforeMs?: number; deadlineMs?: number } = {},
) {
  const { outlook = {}, ...times } = options;
  return forecast({ rooms, outlook: { ...unseen, ...outlook }, nowMs, ...times });
}

const say = (...args: Parameters<typeof plan>) => describePlan(plan(...args));

describe('a plan says', () => {
  test('how long the rooms take, and when they are done', () => {
    expect(say(300_000)).toBe(
      '25 min 30 s, done 02:25:30 UTC+8 if begun now and nothing else waits',
    );
  });

  test('what waits ahead and goes first', () => {
    expect(say(100_000, { outlook: { waitingAhead: 200_000 } })).toBe(
      '25 min 30 s, done 02:25:30 UTC+8 if begun now, 200,000 rooms ahead',
    );
    expect(say(300_000, { outlook: { waitingAhead: 0 } })).toBe(
      '25 min 30 s, done 02:25:30 UTC+8 if begun now',
    );
  });

  test('by how much a deadline is missed, or kept', () => {
    expect(say(300_000, { deadlineMs: nowMs + 19.5 * minute })).toMatch(
      /if begun now and nothing else waits; the deadline is missed by 6 min 00 s$/,
    );
    expect(say(300_000, { deadlineMs: nowMs + 30 * minute })).toMatch(
      /; 4 min 30 s before the deadline$/,
    );
  });

  test('when a delayed run begins', () => {
    const later = { outlook: { waitingAhead: 100_000 }, notBeforeMs: nowMs + 20 * minute };
    expect(say(100_000, later)).toMatch(
      /^8 min 30 s, done 02:28:30 UTC\+8 if begun 02:20:00 UTC\+8/,
    );
  });

  test('that a stopped or paused line must run first', () => {
    expect(say(1, { outlook: { waitingAhead: 0, held: 'paused' } })).toMatch(
      /once the line runs: it is paused$/,
    );
  });
});

describe('a deadline that cannot be kept', () => {
  const late = plan(300_000, { deadlineMs: nowMs + minute });

  function terminal(answer?: string) {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const isTTY = answer !== undefined;
    const io: Io = {
      stdin: Object.assign(stdin, { isTTY }),
      stdout,
      stderr: Object.assign(stderr, { isTTY }),
      env: {},
      signals: process,
      exitCode: 0,
    };
    if (answer !== undefined) stdin.end(`${answer}\n`);
    return { io, said: () => text(stderr.end()) };
  }

  test('is refused where nobody can be asked, with what to do', async () => {
    const { io, said } = terminal();
    await expect(acceptPlan(late, false, io)).rejects.toThrow(
      'the deadline is missed by 24 min 30 s; nothing was sent. Add --yes to begin all the same, or give a later --deadline',
    );
    expect(await said()).toMatch(/the deadline is missed by 24 min 30 s\n$/);
  });

  test('is said and taken with --yes', async () => {
    const { io, said } = terminal();
    await acceptPlan(late, true, io);
    expect(await said()).toMatch(/missed by/);
  });

  test('is asked about on a terminal', async () => {
    await acceptPlan(late, false, terminal('yes').io);
    await expect(acceptPlan(late, false, terminal('no').io)).rejects.toThrow('not confirmed');
    await expect(acceptPlan(late, false, terminal('').io)).rejects.toThrow('not confirmed');
  });
});

test('a deadline that holds is said and asks nothing', async () => {
  const stderr = new PassThrough();
  const io = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    env: {},
    signals: process,
    exitCode: 0,
  };
  await acceptPlan(plan(1, { deadlineMs: nowMs + minute }), false, io);
  expect(await text(stderr.end())).toMatch(/1 min 00 s before the deadline\n$/);
});
