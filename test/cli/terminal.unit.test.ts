/**
 * Nothing but printable text reaches a terminal, whatever RoomIds, answers, file names and
 * arguments hold. A control character could move the cursor, hide a line or start a program
 * in a terminal that has such features.
 */
import { createTally } from '../../src/ledger/tally.js';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toText } from '../../src/cli/destroy-report.js';
import { print, say, type Io } from '../../src/cli/io.js';
import { runProgram } from '../../src/cli/program.js';
import { createProgressLine } from '../../src/cli/progress.js';
import type { OutcomeCounts } from '../../src/destruction.js';
import { destroyedToJson } from '../../src/operations/destroy.js';
import { anyText } from '../support/any-text.js';

/** What may act on a terminal: controls but for the end of a line, and overrides of direction. */
const mayAct = /(?!\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Text as an attacker would write it: escape sequences, old and new, amid anything else. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...['\u001b[2J', '\u001b]0;owned\u0007', '\u009b31m', '\r', '\b', '\t', '\0', '\u007f'],
        ...['\u202e', '\u2066', '\u2028', '\u200f', '\u061c'],
      ),
      anyText({ maxLength: 10 }),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.join(''));

interface Screen {
  io: Io;
  text: () => string;
}

function screen(stdin: Buffer | string = '', tty = false): Screen {
  const chunks: string[] = [];
  const stream = (): Io['stdout'] =>
    Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk.toString());
          done();
        },
      }),
      { isTTY: tty },
    );
  const input = new PassThrough();
  input.end(stdin);
  return {
    io: {
      stdin: input,
      stdout: stream(),
      stderr: stream(),
      env: {},
      signals: process,
      exitCode: 0,
    },
    text: () => chunks.join(''),
  };
}

async function shownBy(
  argv: string[],
  env: NodeJS.ProcessEnv = {},
  stdin: Buffer | string = '',
): Promise<string> {
  const { io, text } = screen(stdin);
  await runProgram(argv, io, () => env);
  return text();
}

const counts: OutcomeCounts = {
  destroyed: 1,
  destroyed_statistics_lost: 0,
  already_gone: 0,
  recreated: 0,
  rejected: 2,
  failed: 0,
  expired: 0,
  cancelled: 0,
};

/** The end of a `destroy`, with what the API and people wrote in it. */
function resultWith(text: string): Parameters<typeof toText>[0] {
  return {
    progress: {
      ...counts,
      id: '01a2073e-32c4-70d0-899f-5e9c7571380b',
      name: text,
      total: 3,
      createdAtMs: 0,
      enqueuedAtMs: undefined,
      token: undefined,
      finishedAtMs: undefined,
      by: text,
      note: text,
      parentId: undefined,
      origin: undefined,
      cancelledAtMs: undefined,
      cancelledBy: undefined,
      statisticsFrom: { response: 1, webhook: 0, snapshot: 0, lost: 0 },
      ratePerSecond: 0,
      precautions: {},
    },
    summary: {
      ...createTally().result(),
      attempts: 3,
      worstWindow: 3,
      meanRatePerSecond: 196,
      statistics: {
        totalViewers: 1n,
        totalGiftsSent: 1n,
        totalGiftCoins: 1n,
        totalUniqueGiftSenders: 1n,
        totalLikesReceived: 1n,
      },
      problems: [
        { outcome: 'rejected', errorCode: 100006, errorInfo: text, rooms: 2, example: text },
      ],
    },
    rooms: { requested: 3, unique: 3, duplicates: 0, invalid: 0, protected: 0 },
    warnings: [{ code: 'all_already_gone', examples: [text] }],
    seconds: 1,
  };
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('every screen is written by print or say, and they let nothing through', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const shown = screen();
      print(shown.io, text);
      say(shown.io, text);
      expect(shown.text()).not.toMatch(mayAct);
    }),
    { numRuns: 500 },
  );
});

test('a JSON object that was made printable says the same', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const shown = screen();
      print(shown.io, JSON.stringify({ text }));
      expect(JSON.parse(shown.text())).toEqual({ text });
    }),
  );
});

describe('of untrusted text, nothing that could act and no line of its own is shown', () => {
  test('in the report of destroy', () => {
    const lines = toText(resultWith('harmless')).split('\n').length;
    fc.assert(
      fc.property(hostile, (text) => {
        const shown = toText(resultWith(text));
        expect(shown).not.toMatch(mayAct);
        expect(shown.split('\n')).toHaveLength(lines);
        expect(JSON.parse(destroyedToJson(resultWith(text)))).toBeTypeOf('object');
      }),
      { numRuns: 250 },
    );
  });

  test('in the line of progress, but for the codes that draw it', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const shown = screen('', true);
        createProgressLine(shown.io).update(text);
        expect(shown.text().replace('\r\u001b[K', '')).not.toMatch(/\p{Cc}/u);
      }),
    );
  });

  test('in the refusal of arguments', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, fc.integer({ min: 0, max: 8 }), async (text, which) => {
        const app = { TENCENT_SDK_APP_ID: '1400000001' };
        const list = ['enqueue', '--room', 'a'];
        const argv = [
          [text],
          [`--${text}`],
          ['destroy', `--${text}`],
          ['destroy', '--dry-run', '--room', text],
          ['destroy', '--dry-run', '--room', 'a', '--format', text],
          [...list, '--delay', text],
          [...list, '--at', text],
          ['simulator', '--port', text],
          ['destroy', '--dry-run', `${folder}/none/${text.replaceAll('\0', '')}`],
        ][which];
        expect(await shownBy(argv ?? [], app)).not.toMatch(mayAct);
      }),
      { numRuns: 150 },
    );
  });

  test('in the refusal of variables', async () => {
    const names = [
      'TENCENT_SDK_APP_ID',
      'TENCENT_REGION',
      'TENCENT_ENDPOINT',
      'QUEUE_URL',
      'DATABASE_URL',
      'LOG_LEVEL',
      'TENCENT_SECRET_KEY_FILE',
    ];
    await fc.assert(
      fc.asyncProperty(hostile, fc.constantFrom(...names), async (text, name) => {
        // A variable cannot hold a NUL.
        const env = { [name]: text.replaceAll('\0', '') || '\u001b' };
        expect(await shownBy(['destroy', '--room', 'a'], env)).not.toMatch(mayAct);
      }),
      { numRuns: 100 },
    );
  });

  test('of the name and the bytes of a list', async () => {
    await fc.assert(
      fc.asyncProperty(
        hostile,
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          hostile.map((text) => Buffer.from(text)),
        ),
        fc.constantFrom('.txt', '.csv', '.ndjson', ''),
        async (text, bytes, extension) => {
          const name = `${text.replaceAll(/[\0/]/g, '').slice(0, 40)}${extension}`;
          const path = join(folder, `list-${name}`);
          writeFileSync(path, bytes);
          expect(await shownBy(['destroy', '--dry-run', path])).not.toMatch(mayAct);
          rmSync(path);
        },
      ),
      { numRuns: 150 },
    );
  });
});
