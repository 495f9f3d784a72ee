import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Answer } from '../../src/tencent/answer.js';
import { readReply } from '../../src/tencent/response.js';
import { documentedCodes, judge, type VerdictWord } from '../../src/tencent/verdicts.js';
import { anyText } from '../support/any-text.js';

const words: readonly VerdictWord[] = [
  'destroyed',
  'gone',
  'transient',
  'over_quota',
  'stale_signature',
  'stop_line',
  'rejected',
];

function reply(errorCode: number, httpStatus = 200): Extract<Answer, { kind: 'reply' }> {
  return {
    kind: 'reply',
    httpStatus,
    errorCode,
    errorInfo: '',
    requestId: undefined,
    statistics: undefined,
  };
}

const unreadable = (httpStatus: number): Answer => ({ kind: 'unreadable', httpStatus });

/** Every code that a page of the documentation names, with its meaning there. */
const codes: [code: number, word: VerdictWord, meaning: string, mayHaveActed?: boolean][] = [
  [0, 'destroyed', 'success'],
  [100004, 'gone', 'the room does not exist'],

  [100001, 'transient', 'internal error'],
  [60008, 'transient', 'service timed out: outcome unknown', true],
  [60013, 'transient', 'its own reply could not be parsed: outcome unknown', true],
  [60014, 'transient', 'server timeout'],
  [70169, 'transient', 'server timeout'],
  [70202, 'transient', 'server timeout'],
  [70500, 'transient', 'server internal error'],

  [60007, 'over_quota', 'this command is over its frequency'],
  [60011, 'over_quota', 'the whole app is over its frequency'],
  [60018, 'over_quota', 'too frequent'],
  [60019, 'over_quota', 'too frequent'],
  [100012, 'over_quota', 'too frequent'],

  [60004, 'stale_signature', 'account or signature check failed'],
  [60005, 'stale_signature', 'account or signature check failed'],
  [70001, 'stale_signature', 'UserSig expired'],
  [70052, 'stale_signature', 'UserSig made invalid'],

  [60002, 'stop_line', 'URL wrong'],
  [60006, 'stop_line', 'SDKAppID invalid'],
  [60009, 'stop_line', 'resource wrong'],
  [60010, 'stop_line', 'app admin required'],
  [60012, 'stop_line', 'SDKAppID missing'],
  [60016, 'stop_line', 'request disabled'],
  [60017, 'stop_line', 'SDKAppID disabled'],
  [60020, 'stop_line', 'package missing, expired or in arrears'],
  [60021, 'stop_line', 'IP address not allowed'],
  [60025, 'stop_line', 'URL parameters wrong'],
  [60026, 'stop_line', 'host does not match the app'],
  [60027, 'stop_line', 'product not allowed'],
  [60028, 'stop_line', 'daily volume of the trial used up'],
  [70002, 'stop_line', 'UserSig empty'],
  [70003, 'stop_line', 'UserSig illegal'],
  [70005, 'stop_line', 'UserSig truncated'],
  [70009, 'stop_line', 'UserSig of the wrong key'],
  [70013, 'stop_line', 'UserSig of another user'],
  [70014, 'stop_line', 'UserSig of another app'],
  [70016, 'stop_line', 'no such key or app'],
  [70020, 'stop_line', 'no such app'],
  [70050, 'stop_line', 'signature wrong and too frequent'],
  [70051, 'stop_line', 'account blocked'],
  [70107, 'stop_line', 'account does not exist'],
  [70114, 'stop_line', 'account restricted'],
  [70403, 'stop_line', 'app admin required'],
  [100007, 'stop_line', 'no package bought'],

  [60003, 'rejected', 'body not JSON'],
  [60015, 'rejected', 'field of the wrong type'],
  [70402, 'rejected', 'illegal parameters'],
  [100002, 'rejected', 'invalid parameter'],
  [100006, 'rejected', 'no permission, or not a live room'],
  [100015, 'rejected', 'invalid room type'],

  [100003, 'rejected', 'of another command'],
  [100005, 'rejected', 'of another command'],
  [100008, 'rejected', 'of another command'],
  [100009, 'rejected', 'of another command'],
  [100010, 'rejected', 'of another command'],
  [100011, 'rejected', 'of another command'],
  [100013, 'rejected', 'of another command'],
  [100200, 'rejected', 'of another command'],
  [100299, 'rejected', 'of another command'],
  [100400, 'rejected', 'of another command'],
  [100499, 'rejected', 'of another command'],
  [100500, 'rejected', 'of another command'],
  [100599, 'rejected', 'of another command'],
];

const named = new Set(codes.map(([code]) => code));
const unnamed = (range: { min: number; max: number }) =>
  fc.integer(range).filter((code) => !named.has(code));

describe('what a code means', () => {
  test.each(codes)('%i is %s (%s)', (code, word, _meaning, mayHaveActed = false) => {
    const verdict = judge(reply(code));
    expect(verdict).toMatchObject({ word, mayHaveActed });
    expect(verdict.reason).not.toBe('');
    expect(verdict.reason).not.toContain('undocumented');
  });

  test('no code has a meaning of its own that this table does not list', () => {
    expect(documentedCodes.filter((code) => !named.has(code))).toEqual([]);
  });

  test.each(codes.filter(([, word]) => word === 'stop_line' || word === 'stale_signature'))(
    '%i, which can stop the line, says what to do about it',
    (code) => {
      expect(judge(reply(code)).remedy).toMatch(/\w{3}/);
    },
  );

  test('where a code leaves room for a person, the remedy names what to look at', () => {
    expect(judge(reply(70009)).remedy).toContain('TENCENT_SECRET_KEY');
    expect(judge(reply(60026)).remedy).toContain('TENCENT_REGION');
    expect(judge(reply(60010)).remedy).toContain('TENCENT_ADMIN_IDENTIFIER');
  });

  test('statistics come with the success that brought them', () => {
    const statistics = {
      totalViewers: 1n,
      totalGiftsSent: 2n,
      totalGiftCoins: 3n,
      totalUniqueGiftSenders: 4n,
      totalLikesReceived: 5n,
    };
    expect(judge({ ...reply(0), statistics }).statistics).toEqual(statistics);
    expect(judge(reply(0))).not.toHaveProperty('statistics');
  });
});

describe('codes that no page names', () => {
  test.each([60000, 60001, 60029, 69999, 70000, 70004, 79999, 1, -1, 59999, 80000, 99999])(
    '%i may pass, or never: transient, named as undocumented, and it may have acted',
    (code) => {
      expect(judge(reply(code))).toEqual({
        word: 'transient',
        reason: `undocumented code ${code}`,
        mayHaveActed: true,
      });
    },
  );

  test.each([100000, 100014, 100016, 100199, 100300, 999_999, 2_147_483_647])(
    '%i, from 100000 up, is rejected with its number as the reason',
    (code) => {
      const verdict = judge(reply(code));
      expect(verdict).toMatchObject({ word: 'rejected', mayHaveActed: false });
      expect(verdict.reason).toContain(String(code));
    },
  );

  test('all of 60000–79999 are transient', () => {
    fc.assert(
      fc.property(unnamed({ min: 60_000, max: 79_999 }), (code) => {
        expect(judge(reply(code)).word).toBe('transient');
      }),
    );
  });

  test('all from 100000 up are rejected', () => {
    fc.assert(
      fc.property(unnamed({ min: 100_000, max: 2_147_483_647 }), (code) => {
        expect(judge(reply(code)).word).toBe('rejected');
      }),
    );
  });
});

describe('what an HTTP status means', () => {
  const statuses: [status: number, word: VerdictWord, mayHaveActed: boolean][] = [
    [500, 'transient', true],
    [502, 'transient', true],
    [503, 'transient', true],
    [504, 'transient', true],
    [599, 'transient', true],
    [429, 'over_quota', false],
    [401, 'stop_line', false],
    [403, 'stop_line', false],
    [404, 'stop_line', false],
  ];

  test.each(statuses)('%i is %s', (status, word, mayHaveActed) => {
    const expected = { word, mayHaveActed, reason: `HTTP ${status}` };
    expect(judge(unreadable(status))).toMatchObject(expected);
  });

  test.each(statuses)('%i is %s whatever code its body holds', (status, word, mayHaveActed) => {
    for (const code of [100004, 100002, 70009, 60007, 100014]) {
      expect(judge(reply(code, status))).toMatchObject({ word, mayHaveActed });
    }
  });

  test.each([401, 403, 404])('%i says what to do about it', (status) => {
    expect(judge(unreadable(status)).remedy).toContain('TENCENT_ENDPOINT');
  });

  test.each([500, 502, 404, 429])('a success is a success even under HTTP %i', (status) => {
    expect(judge(reply(0, status)).word).toBe('destroyed');
  });

  test.each([200, 204])(
    '%i without the documented JSON is transient and may have acted',
    (status) => {
      const verdict = judge(unreadable(status));
      expect(verdict).toMatchObject({ word: 'transient', mayHaveActed: true });
      expect(verdict.reason).toContain(String(status));
    },
  );

  test.each([201, 302, 400])('%i with the documented JSON means what its code means', (status) => {
    expect(judge(reply(100004, status)).word).toBe('gone');
    expect(judge(reply(100002, status)).word).toBe('rejected');
  });
});

describe('an HTTP status that does not pass by itself stops the line, and says what it is', () => {
  test.each<[status: number, reason: RegExp, remedy: RegExp]>([
    [300, /redirect/, /TENCENT_ENDPOINT/],
    [301, /redirect/, /TENCENT_ENDPOINT/],
    [302, /redirect, to a login page/, /TENCENT_ENDPOINT/],
    [307, /redirect/, /TENCENT_ENDPOINT/],
    [308, /redirect/, /TENCENT_ENDPOINT/],
    [400, /HTTP 400/, /TENCENT_ENDPOINT/],
    [402, /HTTP 402/, /TENCENT_ENDPOINT/],
    [405, /HTTP 405/, /TENCENT_ENDPOINT/],
    [406, /HTTP 406/, /TENCENT_ENDPOINT/],
    [407, /proxy .* user and a password/, /HTTPS_PROXY/],
    [410, /HTTP 410/, /TENCENT_ENDPOINT/],
    [413, /too large/, /proxy/],
    [414, /too long/, /proxy/],
    [418, /HTTP 418/, /TENCENT_ENDPOINT/],
    [421, /HTTP 421/, /TENCENT_ENDPOINT/],
    [431, /too long/, /proxy/],
    [451, /legal reasons/, /network/],
    [511, /login/, /network/],
  ])('%i', (status, reason, remedy) => {
    const verdict = judge(unreadable(status));
    expect(verdict).toMatchObject({ word: 'stop_line', mayHaveActed: false });
    expect(verdict.reason).toContain(`HTTP ${status}`);
    expect(verdict.reason).toMatch(reason);
    expect(verdict.remedy).toMatch(remedy);
  });

  test.each([408, 425])('%i may pass', (status) => {
    expect(judge(unreadable(status))).toMatchObject({ word: 'transient', mayHaveActed: true });
  });
});

test('ErrorCode 0 beside ActionStatus FAIL is no success: nobody knows, and it is tried again', () => {
  const body = '{"ErrorCode":0,"ErrorInfo":"","ActionStatus":"FAIL","RequestId":"1"}';
  expect(judge(readReply(200, body))).toEqual({
    word: 'transient',
    reason: 'ErrorCode 0 beside ActionStatus FAIL',
    mayHaveActed: true,
  });
});

describe('a proxy that gives no way to the API', () => {
  const refused = (code: string): Answer => ({ kind: 'network', code, written: false });

  test.each([302, 400, 403, 404, 405, 407])('that answers %i stops the line', (status) => {
    const verdict = judge(refused(`PROXY_HTTP_${status}`));
    expect(verdict).toMatchObject({ word: 'stop_line', mayHaveActed: false });
    expect(verdict.reason).toContain(`proxy refuses the way to the API: HTTP ${status}`);
    expect(verdict.remedy).toContain('HTTPS_PROXY');
  });

  test.each(['PROXY_HTTP_502', 'PROXY_HTTP_504'])(
    '%s may pass, and is not called a fault of the API',
    (code) => {
      const verdict = judge(refused(code));
      expect(verdict).toMatchObject({ word: 'transient', mayHaveActed: false });
      expect(verdict.reason).toMatch(/^the proxy gives no way to the API: HTTP \d+$/);
    },
  );
});

describe('no answer', () => {
  test.each<[rule: string, answer: Answer, mayHaveActed: boolean]>([
    [
      'a network error before the request was written: nothing happened',
      { kind: 'network', code: 'ECONNREFUSED', written: false },
      false,
    ],
    [
      'a network error after the request was written: it may have acted',
      { kind: 'network', code: 'ECONNRESET', written: true },
      true,
    ],
    ['a timeout: it may have acted', { kind: 'timeout' }, true],
  ])('%s', (_rule, answer, mayHaveActed) => {
    expect(judge(answer)).toMatchObject({ word: 'transient', mayHaveActed });
  });

  test('the reason of a network error names its code', () => {
    expect(judge({ kind: 'network', code: 'EPIPE', written: true }).reason).toContain('EPIPE');
  });
});

const anyCode = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(...named));
const anyStatus = fc.oneof(
  fc.integer({ min: 100, max: 599 }),
  fc.constantFrom(200, 401, 403, 404, 429, 500),
);

test('any code under any status has one of the seven verdicts, with a reason, and a remedy where a person must act', () => {
  fc.assert(
    fc.property(anyCode, anyStatus, (code, status) => {
      for (const verdict of [judge(reply(code, status)), judge(unreadable(status))]) {
        expect(words).toContain(verdict.word);
        expect(verdict.reason).not.toBe('');
        if (verdict.word === 'stop_line') expect(verdict.remedy).toBeTruthy();
      }
    }),
  );
});

test('nothing but code 0 is destroyed, and nothing but 100004 is gone', () => {
  fc.assert(
    fc.property(anyCode, anyStatus, (code, status) => {
      const { word } = judge(reply(code, status));
      expect(word === 'destroyed').toBe(code === 0);
      if (word === 'gone') expect(code).toBe(100004);
      expect(['destroyed', 'gone']).not.toContain(judge(unreadable(status)).word);
    }),
  );
});

test('whatever the API says, there is a verdict, and statistics are those of a success, as they were told', () => {
  const number = fc.oneof(fc.nat(), fc.jsonValue());
  const body = fc.oneof(
    anyText(),
    fc.json(),
    fc
      .record({
        ErrorCode: fc.constant(0),
        Response: fc.record({
          Statistic: fc.record({
            TotalViewers: fc.nat(),
            TotalGiftsSent: fc.nat(),
            TotalGiftCoins: fc.nat(),
            TotalUniqueGiftSenders: fc.nat(),
            TotalLikesReceived: number,
          }),
        }),
      })
      .map((value) => JSON.stringify(value)),
    fc
      .record(
        {
          ErrorCode: fc.oneof(fc.constantFrom(0, ...documentedCodes), fc.integer(), fc.jsonValue()),
          ErrorInfo: fc.jsonValue(),
          RequestId: fc.jsonValue(),
          Response: fc.oneof(
            fc.jsonValue(),
            fc.record({
              Statistic: fc.record(
                {
                  TotalViewers: number,
                  TotalGiftsSent: number,
                  TotalGiftCoins: number,
                  TotalUniqueGiftSenders: number,
                  TotalLikesReceived: number,
                },
                { requiredKeys: [] },
              ),
            }),
          ),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  );
  let successes = 0;
  fc.assert(
    fc.property(
      fc.oneof(fc.constant(200), fc.integer({ min: 100, max: 599 })),
      body,
      (status, text) => {
        const verdict = judge(readReply(status, text));
        expect(words).toContain(verdict.word);
        expect(verdict.reason).not.toBe('');
        if (verdict.statistics === undefined) return;
        successes += 1;
        expect(verdict.word).toBe('destroyed');
        const told = JSON.parse(text) as {
          ErrorCode: unknown;
          Response: { Statistic: Record<string, number> };
        };
        expect(Number(told.ErrorCode)).toBe(0);
        for (const [name, value] of Object.entries(verdict.statistics)) {
          const field = `T${name.slice(1)}`;
          // As it was written: a double that is whole has other digits than the text.
          expect(value).toBe(BigInt(String(told.Response.Statistic[field])));
        }
      },
    ),
    { numRuns: 2_000 },
  );
  expect(successes).toBeGreaterThan(0);
});
