import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/redact.js';
import { readReply } from '../../src/tencent/response.js';
import { hideSignature } from '../../src/tencent/user-sig.js';
import { anyText } from '../support/any-text.js';

const totals = [
  'TotalViewers',
  'TotalGiftsSent',
  'TotalGiftCoins',
  'TotalUniqueGiftSenders',
  'TotalLikesReceived',
] as const;

/** A documented success; values are JSON texts, so that they can be anything. */
function success(changes: Partial<Record<(typeof totals)[number], string | undefined>> = {}) {
  const fields = totals
    .map((name, index) => [name, name in changes ? changes[name] : String(index + 1)] as const)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `"${name}":${value ?? ''}`);
  return `{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"Id-1","Response":{"Statistic":{${fields.join(',')}}}}`;
}

function statisticsOf(body: string) {
  const answer = readReply(200, body);
  if (answer.kind !== 'reply') throw new Error(`expected a reply, got ${answer.kind}`);
  return answer.statistics;
}

const oneToFive = {
  totalViewers: 1n,
  totalGiftsSent: 2n,
  totalGiftCoins: 3n,
  totalUniqueGiftSenders: 4n,
  totalLikesReceived: 5n,
};

test('the documented body of a success is read whole', () => {
  expect(readReply(200, success())).toEqual({
    kind: 'reply',
    httpStatus: 200,
    errorCode: 0,
    errorInfo: '',
    requestId: 'Id-1',
    statistics: oneToFive,
    response: { Statistic: Object.fromEntries(totals.map((name, index) => [name, index + 1])) },
  });
});

test('the documented body of a failure is read whole', () => {
  const body =
    '{"ErrorCode":100004,"ErrorInfo":"room not exist","ActionStatus":"FAIL","RequestId":"Id-2"}';
  expect(readReply(200, body)).toEqual({
    kind: 'reply',
    httpStatus: 200,
    errorCode: 100004,
    errorInfo: 'room not exist',
    requestId: 'Id-2',
    statistics: undefined,
  });
});

describe('what is beside the JSON costs nothing', () => {
  test.each<[rule: string, body: string]>([
    ['a BOM', `\ufeff${success()}`],
    ['blanks and line breaks around it', `\r\n\t ${success()}\r\n\r\n`],
    ['zeros behind it', `${success()}\0\0`],
    ['zeros before it', `\0${success()}`],
    ['a BOM and zeros, with digits beyond a double', `\ufeff${success()}\0`],
    ['a comment that a proxy adds', `${success()}<!-- cached -->`],
    ['a semicolon', `${success()};`],
    ['a bracket too many', `${success()}}`],
  ])('%s', (_rule, body) => {
    expect(readReply(200, body)).toEqual(readReply(200, success()));
  });

  test.each(['"0"', '0.0', '-0', '" 0"'])('a code of %s is 0', (code) => {
    const body = success().replace('"ErrorCode":0', `"ErrorCode":${code}`);
    expect(readReply(200, body)).toMatchObject({ errorCode: 0, statistics: oneToFive });
  });

  test('a code in text is that code', () => {
    expect(readReply(200, '{"ErrorCode":"100004"}')).toMatchObject({ errorCode: 100004 });
  });
});

describe('what was in hand and could not be read is kept', () => {
  test.each<[rule: string, body: string]>([
    ['a total that is missing', success({ TotalViewers: undefined })],
    ['a total that is negative', success({ TotalViewers: '-1' })],
    ['statistics in another place', success().replace('"Response":{', '"Result":{')],
    ['statistics under another name', success().replace('"Statistic":{', '"Statistics":{')],
    ['a success that says that it failed', success().replace('"OK"', '"FAIL"')],
  ])('%s', (_rule, body) => {
    expect(readReply(200, body)).toMatchObject({ kind: 'reply', errorCode: 0, raw: body });
  });

  test.each<[rule: string, body: string]>([
    ['a success', success()],
    ['a failure', '{"ErrorCode":100004,"ErrorInfo":"x","ActionStatus":"FAIL","Response":{}}'],
    ['the success of 2024', '{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"1"}'],
  ])('%s that was understood is not', (_rule, body) => {
    expect(readReply(200, body)).not.toHaveProperty('raw');
  });

  test('a long one is cut, and control characters and zeros are escaped', () => {
    const answer = readReply(200, `<html>\0\x1b[31m${'x'.repeat(10_000)}`);
    expect(answer.raw).toMatch(/^<html>\\u0000\\u001b\[31mx+…$/);
    expect(answer.raw?.length).toBeLessThan(2_100);
  });
});

describe('a signature in a text is hidden before the text is cut', () => {
  const sig = 'eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS*-_80oy0zLBwsamFhaGRVkpmVkFqQk'.repeat(4);
  const percent = sig.replace(/[*_-]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);

  test.each<[rule: string, text: string]>([
    ['whole', `no such ${sig} here`],
    ['in a URL', `/path?usersig=${sig}&random=1`],
    ['percent-encoded', `no such ${percent} here`],
    ['cut by the server', `no such ${sig.slice(0, 60)}`],
    ['where the cut goes through it', `${'x'.repeat(480)} ${sig}`],
    ['where the cut goes through it in a URL', `${'x'.repeat(490)}?usersig=${sig}`],
    ['twice', `${sig} ${sig}`],
  ])('%s', (_rule, text) => {
    for (const body of [
      JSON.stringify({ ErrorCode: 60002, ErrorInfo: text, RequestId: text }),
      `<html>${text}`,
      `${'y'.repeat(1_500)}${text}`,
    ]) {
      const answer = JSON.stringify(readReply(200, body, hideSignature(sig)));
      for (let at = 0; at + 12 <= sig.length; at++) {
        expect(answer).not.toContain(sig.slice(at, at + 12));
      }
      expect(answer).not.toContain(percent.slice(0, 24));
    }
  });
});

test('a code is all that a reply needs', () => {
  expect(readReply(502, '{"ErrorCode":60008}')).toEqual({
    kind: 'reply',
    httpStatus: 502,
    errorCode: 60008,
    errorInfo: '',
    requestId: undefined,
    statistics: undefined,
  });
});

test('fields that no page names are no obstacle', () => {
  expect(statisticsOf(success().replace('"TotalViewers"', '"Extra":[1],"TotalViewers"'))).toEqual(
    oneToFive,
  );
});

test('a RequestId of many digits changes nothing', () => {
  const body = success().replace('Id-1', '12345678901234567890');
  expect(readReply(200, body)).toMatchObject({
    requestId: '12345678901234567890',
    statistics: oneToFive,
  });
});

describe('text from outside is made fit for a log line and a column', () => {
  test.each(['ErrorInfo', 'RequestId'])('%s is cut where it is long', (field) => {
    const body = JSON.stringify({ ErrorCode: 100002, [field]: 'x'.repeat(100_000) });
    const name = field === 'ErrorInfo' ? 'errorInfo' : 'requestId';
    expect(readReply(200, body)).toHaveProperty(name, `${'x'.repeat(500)}…`);
  });

  test.each(['ErrorInfo', 'RequestId'])(
    '%s shows control characters, and no NUL, which Postgres would refuse',
    (field) => {
      const body = JSON.stringify({ ErrorCode: 100002, [field]: 'a\0b\nc\x1b[31m' });
      const name = field === 'ErrorInfo' ? 'errorInfo' : 'requestId';
      expect(readReply(200, body)).toHaveProperty(name, 'a\\u0000b\\u000ac\\u001b[31m');
    },
  );
});

describe('statistics that are read exactly', () => {
  test.each<[rule: string, json: string, value: bigint]>([
    ['zero', '0', 0n],
    ['the largest safe integer, 2⁵³ − 1', '9007199254740991', 9007199254740991n],
    ['2⁵³ + 1, which no double holds', '9007199254740993', 9007199254740993n],
    ['an odd number of 18 digits', '123456789012345679', 123456789012345679n],
    ['the largest bigint of the database, 2⁶³ − 1', '9223372036854775807', 9223372036854775807n],
    ['a whole number written with a fraction of zero', '3.0', 3n],
    ['a whole number written with an exponent', '1e3', 1000n],
    ['the same beyond 2⁵³', '9.007199254740993e15', 9007199254740993n],
    ['a fraction of zero beyond 2⁵³', '9007199254740993.0', 9007199254740993n],
    ['a string', '"7"', 7n],
    ['a string of many digits', '"9007199254740993"', 9007199254740993n],
    ['a string with blanks around it', '" 7 "', 7n],
    ['a string with a fraction of zero', '"7.00"', 7n],
    ['minus zero', '-0', 0n],
  ])('%s', (_rule, json, value) => {
    expect(statisticsOf(success({ TotalGiftCoins: json }))).toEqual({
      ...oneToFive,
      totalGiftCoins: value,
    });
  });

  test('any value that the database can hold', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (value) => {
        const body = success({ TotalViewers: String(value), TotalLikesReceived: String(value) });
        expect(statisticsOf(body)).toEqual({
          ...oneToFive,
          totalViewers: value,
          totalLikesReceived: value,
        });
      }),
    );
  });
});

describe('statistics that are not as documented are unknown, never guessed; the success stands', () => {
  test.each<[rule: string, json: string | undefined]>([
    ['missing', undefined],
    ['negative', '-1'],
    ['a large negative', '-9007199254740993'],
    ['fractional', '1.5'],
    ['fractional with many digits', '12345678901234567.5'],
    ['an empty string', '""'],
    ['a string of words', '"seven"'],
    ['a fraction in a string', '"1.5"'],
    ['a negative string', '"-7"'],
    ['hexadecimal', '"0x10"'],
    ['a string that is more than the database holds', '"12345678901234567890"'],
    ['a fraction too small for a double', '9007199254740990.99999'],
    ['a tiny fraction', '1.000000000000000000001'],
    ['null', 'null'],
    ['true', 'true'],
    ['an array', '[1]'],
    ['an object', '{}'],
    ['one more than the database holds, 2⁶³', '9223372036854775808'],
    ['a number of 400 digits', '9'.repeat(400)],
    ['1e400', '1e400'],
  ])('%s', (_rule, json) => {
    for (const name of totals) {
      expect(readReply(200, success({ [name]: json }))).toMatchObject({
        kind: 'reply',
        errorCode: 0,
        requestId: 'Id-1',
        statistics: undefined,
      });
    }
  });

  test.each([
    'null',
    '[]',
    '{}',
    '""',
    '0',
    '{"Statistic":null}',
    '{"Statistic":[]}',
    '{"Statistic":{}}',
  ])('a Response of %s', (response) => {
    const body = `{"ErrorCode":0,"ErrorInfo":"","Response":${response}}`;
    expect(readReply(200, body)).toMatchObject({ errorCode: 0, statistics: undefined });
  });

  test('no Response at all, as the API of 2024 answered', () => {
    const body = '{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"OK","RequestId":"Id-3"}';
    expect(readReply(200, body)).toMatchObject({ errorCode: 0, statistics: undefined });
  });
});

test.each<[field: string, json: string]>([
  ['ErrorInfo', 'null'],
  ['ErrorInfo', '7'],
  ['RequestId', 'null'],
  ['RequestId', '7'],
])(
  'a %s of %s, which is for people only, costs neither the success nor its statistics',
  (field, json) => {
    const body = success().replace(new RegExp(`"${field}":"[^"]*"`), `"${field}":${json}`);
    expect(body).toContain(`"${field}":${json}`);
    expect(readReply(200, body)).toMatchObject({
      kind: 'reply',
      errorCode: 0,
      statistics: oneToFive,
    });
  },
);

describe('a body that is not the documented JSON is unreadable', () => {
  test.each<[rule: string, body: string]>([
    ['empty', ''],
    ['blank', ' \r\n'],
    ['HTML', '<html><body>502 Bad Gateway</body></html>'],
    ['cut short', success().slice(0, 60)],
    ['cut short, with long digits', success({ TotalViewers: '12345678901234567' }).slice(0, -2)],
    ['two objects', '{"ErrorCode":0}{"ErrorCode":0}'],
    ['an array', '[{"ErrorCode":0}]'],
    ['null', 'null'],
    ['a number', '0'],
    ['a string', '"ErrorCode"'],
    ['an object without a code', '{"ActionStatus":"OK"}'],
    ['a code in empty text', '{"ErrorCode":""}'],
    ['a code in words', '{"ErrorCode":"none"}'],
    ['a fractional code in text', '{"ErrorCode":"0.5"}'],
    ['a code of true', '{"ErrorCode":true}'],
    ['text in front', `callback(${success()})`],
    ['two objects that differ', `${success()}\n{"ErrorCode":100004}`],
    ['a code of null', '{"ErrorCode":null}'],
    ['a fractional code', '{"ErrorCode":0.5}'],
    ['a code of 20 digits', '{"ErrorCode":10000000000000000000}'],
    ['a code that the ledger’s column cannot hold', '{"ErrorCode":2147483648}'],
    ['another case', '{"errorcode":0}'],
    ['a hundred thousand open brackets', '['.repeat(100_000)],
    ['the same, with long digits', '['.repeat(100_000) + '1234567890123456'],
  ])('%s', (_rule, body) => {
    const answer = readReply(200, body);
    expect(answer).toMatchObject({ kind: 'unreadable', httpStatus: 200 });
    // What could not be read is kept.
    expect(answer.raw?.slice(0, 20)).toBe(body === '' ? undefined : printable(body).slice(0, 20));
  });
});

describe('reading never throws', () => {
  const kinds = ['reply', 'unreadable'];

  test('on any text', () => {
    fc.assert(
      fc.property(anyText({ maxLength: 200 }), (body) => {
        expect(readReply(200, body).kind).toBe('unreadable');
      }),
    );
  });

  test('on any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        expect(kinds).toContain(readReply(200, body).kind);
      }),
    );
  });

  test('on any JSON where the documented fields are', () => {
    const fields = fc.record(
      {
        ErrorCode: fc.oneof(fc.integer(), fc.jsonValue()),
        ErrorInfo: fc.jsonValue(),
        RequestId: fc.jsonValue(),
        Response: fc.oneof(
          fc.jsonValue(),
          fc.record({ Statistic: fc.dictionary(fc.constantFrom(...totals), fc.jsonValue()) }),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fields, fc.boolean(), (value, longDigits) => {
        const body = JSON.stringify({ ...value, ...(longDigits ? { X: '1234567890123456' } : {}) });
        expect(kinds).toContain(readReply(200, body).kind);
      }),
    );
  });

  test('on a documented body with one character changed', () => {
    const body = success({ TotalGiftCoins: '9007199254740993' });
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.string({ maxLength: 2 }), (at, text) => {
        const changed = body.slice(0, at) + text + body.slice(at + 1);
        expect(kinds).toContain(readReply(200, changed).kind);
      }),
    );
  });
});
