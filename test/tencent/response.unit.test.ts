import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readReply } from '../../src/tencent/response.js';

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
    ['a string', '"7"'],
    ['a string of many digits', '"12345678901234567890"'],
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
    ['a code in text', '{"ErrorCode":"0"}'],
    ['a code of null', '{"ErrorCode":null}'],
    ['a fractional code', '{"ErrorCode":0.5}'],
    ['a code of 20 digits', '{"ErrorCode":10000000000000000000}'],
    ['a code that the ledger’s column cannot hold', '{"ErrorCode":2147483648}'],
    ['another case', '{"errorcode":0}'],
    ['a hundred thousand open brackets', '['.repeat(100_000)],
    ['the same, with long digits', '['.repeat(100_000) + '1234567890123456'],
  ])('%s', (_rule, body) => {
    expect(readReply(200, body)).toEqual({ kind: 'unreadable', httpStatus: 200 });
  });
});

describe('reading never throws', () => {
  const kinds = ['reply', 'unreadable'];

  test('on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (body) => {
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
