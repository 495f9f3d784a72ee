import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/redact.js';
import { summaryText } from '../../src/cli/report-text.js';
import { tableFormat } from '../../src/operations/report-table.js';
import type { ReportRow } from '../../src/ledger/report-rows.js';
import { csv, csvCell, ndjson } from '../../src/operations/report.js';
import { anyText } from '../support/any-text.js';

const row = (changes: Partial<ReportRow> = {}): ReportRow => ({
  roomId: 'live-42',
  state: 'ended',
  outcome: 'destroyed',
  statisticsSource: 'response',
  totals: {
    totalViewers: 2n ** 63n - 1n,
    totalGiftsSent: 0n,
    totalGiftCoins: 3n,
    totalUniqueGiftSenders: undefined,
    totalLikesReceived: 5n,
  },
  attempts: 2,
  errorCode: 0,
  errorInfo: undefined,
  requestId: 'Id-1',
  requestedAtMs: 1_700_000_000_000,
  finishedAtMs: undefined,
  destructionId: '01a2073e-32c4-70d0-899f-5e9c7571380b',
  joined: true,
  ...changes,
});

describe('CSV', () => {
  test('a line has a cell for every column, empty where there is nothing, and ends in CRLF', () => {
    expect(csv.row(row(), true)).toBe(
      'live-42,destroyed,ended,response,9223372036854775807,0,3,,5,2,0,,Id-1,2023-11-14T22:13:20.000Z,,01a2073e-32c4-70d0-899f-5e9c7571380b,true\r\n',
    );
    expect(csv.head([]).split(',')).toHaveLength(17);
  });

  test.each<[text: string, cell: string]>([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', '"\'\t=1"'],
    [' =1', "' =1"],
    ['＝1+1', "'＝1+1"],
    ['＋1', "'＋1"],
    ['－1', "'－1"],
    ['＠A1', "'＠A1"],
    ['a;=1+1', '"a;=1+1"'],
    ['a\tb', '"a\tb"'],
    ['a|b', '"a|b"'],
    ['a\u001b[2Jb', 'a\\u001b[2Jb'],
    ['a\u202eb\u200bc', 'a\\u202eb\\u200bc'],
    ['\r=1', '"\'\r=1"'],
    ['=a,"b"', '"\'=a,""b"""'],
    ['a=1', 'a=1'],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    [' leading', '" leading"'],
  ])('%j becomes %j', (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  test('numbers stay numbers, also negative ones', () => {
    expect(csvCell(-5)).toBe('-5');
    expect(csvCell(12345678901234567890n)).toBe('12345678901234567890');
  });

  test('a parser reads back what was written, apart from the apostrophe; no cell begins like a formula', () => {
    fc.assert(
      fc.property(anyText(), fc.string(), (roomId, errorInfo) => {
        const [, read] = parse(csv.head([]) + csv.row(row({ roomId, errorInfo }), true), {
          record_delimiter: '\r\n',
        }) as [string[], string[]];
        const [room = '', info = ''] = [read[0], read[11]];
        const shown = (text: string) =>
          text.replace(/[^\t\r\n]+/g, (part) => printable(part, part.length));
        expect([shown(roomId), `'${shown(roomId)}`]).toContain(room);
        expect([shown(errorInfo), `'${shown(errorInfo)}`]).toContain(info);
        for (const cell of [room, info]) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
      }),
    );
  });
});

test('NDJSON has every text as it is, every digit, and null for what there is not', () => {
  const line = ndjson.row(row({ roomId: '="\\', errorInfo: 'a\nb' }), true);
  expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(line).toContain('"totalViewers":9223372036854775807,');
  expect(JSON.parse(line)).toMatchObject({
    roomId: '="\\',
    errorInfo: 'a\nb',
    totalUniqueGiftSenders: null,
    finishedAt: null,
    joined: true,
  });
});

test('nothing in NDJSON acts on a terminal, and it means the same', () => {
  const text = 'a\u009b2Jb\u202ec\u200bd\ufeff\u007f';
  const line = ndjson.row(row({ errorInfo: text }), true);
  expect(line).toMatch(/^[ -~]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ errorInfo: text });
});

test('nothing in the table moves the cursor', () => {
  const room = row({ roomId: '\u001b[2Jx' });
  const table = tableFormat(summaryText, false);
  expect(table.head([room])).toMatch(/^room {8}outcome/);
  expect(table.row(room, true)).toMatch(/^\\u001b\[2Jx {2}destroyed/);
});

describe('the table on a terminal', () => {
  const rows = [
    row({ roomId: 'r'.repeat(48), outcome: 'destroyed_statistics_lost' }),
    row({ finishedAtMs: 1_700_000_000_000 }),
    row({ ...{ roomId: 'no answer ', state: 'waiting', outcome: undefined, joined: false } }),
  ];
  const shown = (width: number | undefined, of = rows) => {
    const table = tableFormat(summaryText, false, width);
    return table.head(of.slice(0, 1)) + of.map((each) => table.row(each, false)).join('');
  };

  test('that is narrow has each room whole, and all that is known of it by name', () => {
    const [one, two, three] = rows.map((each) => shown(80, [each]));
    expect(one).toBe(
      `${'r'.repeat(48)}  destroyed_statistics_lost
  statistics=response viewers=9223372036854775807 gifts=0 coins=3 likes=5
    attempts=2 code=0 joined=yes
`,
    );
    expect(two).toBe(`live-42  destroyed
  statistics=response viewers=9223372036854775807 gifts=0 coins=3 likes=5
    attempts=2 code=0 finished=2023-11-14T22:13:20.000Z joined=yes
`);
    expect(three).toMatch(/^no answer {3}\(waiting\)\n.* code=0\n$/s);
    expect(shown(20).split('\n')).toContain('r'.repeat(48));
  });

  test.each([48, 74, 80, 120, 160, 180])('%d wide has no line that is longer', (width) => {
    const lines = shown(width).trimEnd().split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
  });

  test('that is wide has the table as a file has it, but for a room that is too long for it', () => {
    expect(shown(300)).toBe(shown(undefined));
    const [, ...others] = rows;
    const late = [...others, ...rows.slice(0, 1)];
    const lines = shown(170, late).split('\n');
    expect(lines[0]).toMatch(/^room {5}outcome/);
    expect(lines.at(-3)).toBe(`${'r'.repeat(48)}  destroyed_statistics_lost`);
    expect(lines.at(-2)).toMatch(/^ {2}statistics=response/);
  });
});
