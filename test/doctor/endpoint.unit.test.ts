import { describe, expect, test } from 'vitest';
import { judgeCall, judgeReached, judgeUnreached } from '../../src/doctor/endpoint.js';
import type { Answer } from '../../src/tencent/answer.js';

const now = Date.parse('2026-11-23T02:31:07Z');
const day = 86_400_000;

function certificate(validForMs: number, distrust?: string) {
  const reached = { connectMs: 3, certificate: { validToMs: now + validForMs, distrust } };
  return judgeReached(reached, 'https://host', now).at(-1);
}

test.each<[rule: string, found: ReturnType<typeof certificate>, level: string, text: RegExp]>([
  ['90 days are well', certificate(90 * day), 'ok', /for 90 more days/],
  ['14 days are well', certificate(14 * day), 'ok', /for 14 more days/],
  [
    'less than 14 are a warning',
    certificate(14 * day - 1),
    'warning',
    /expires in 13 days, on 2026-12-07/,
  ],
  [
    'an expired one is a problem',
    certificate(-1, 'CERT_HAS_EXPIRED'),
    'problem',
    /expired on 2026-11-23/,
  ],
  [
    'one of no authority is a problem, however long it lasts',
    certificate(90 * day, 'DEPTH_ZERO_SELF_SIGNED_CERT'),
    'problem',
    /not trusted: DEPTH_ZERO_SELF_SIGNED_CERT/,
  ],
])('a certificate: %s', (_rule, found, level, text) => {
  expect(found).toMatchObject({ level, text: expect.stringMatching(text) as string });
});

test('plain http on loopback has no certificate to look at', () => {
  const reached = { connectMs: 3, certificate: undefined };
  expect(judgeReached(reached, 'http://127.0.0.1:1', now)).toMatchObject([{ level: 'ok' }]);
});

test.each([
  ['ENOTFOUND', /name servers/],
  ['ECONNREFUSED', /firewalls/],
])('%s has its remedy', (code, remedy) => {
  const error = Object.assign(new Error('GET https://host/?usersig=secret failed'), { code });
  const finding = judgeUnreached(error, 'https://host');
  expect(finding).toEqual({
    ...{ level: 'problem', text: `https://host cannot be reached: ${code}` },
    remedy: expect.stringMatching(remedy) as string,
  });
});

describe('the signed call', () => {
  const reply = (errorCode: number): Answer => ({
    ...{ kind: 'reply', httpStatus: 200, errorCode, errorInfo: 'the text of a stranger' },
    ...{ requestId: undefined, statistics: undefined },
  });

  test.each<[rule: string, answer: Answer, level: string, text: RegExp]>([
    ['a room that does not exist proves the signature', reply(100004), 'ok', /took the signature/],
    ['so does one that does, at a stand-in', reply(0), 'ok', /took the signature/],
    ['a code of the app that is not about the room', reply(100006), 'warning', /\(100006\)$/],
    ['over quota says nothing', reply(60007), 'warning', /^not tried: .*\(60007\)$/],
    ['a wrong key', reply(70009), 'problem', /wrong key \(70009\)$/],
    ['the wrong region', reply(60026), 'problem', /host does not match .*\(60026\)$/],
    ['a signature from another time', reply(70001), 'problem', /expired \(70001\)$/],
    ['an unpaid package', reply(60020), 'problem', /\(60020\)$/],
    ['an internal error', reply(100001), 'problem', /no usable answer: internal error/],
    ['a page in its place', { kind: 'unreadable', httpStatus: 200 }, 'problem', /documented JSON/],
    ['a proxy that refuses', { kind: 'unreadable', httpStatus: 403 }, 'problem', /HTTP 403/],
    ['silence', { kind: 'timeout' }, 'problem', /no answer in time/],
    ['a cut', { kind: 'network', code: 'ECONNRESET', written: true }, 'problem', /ECONNRESET/],
  ])('%s', (_rule, answer, level, text) => {
    const finding = judgeCall({ answer, tookMs: 41, clockOffsetMs: 0 });
    expect(finding).toMatchObject({ level, text: expect.stringMatching(text) as string });
    if (level === 'problem') expect(finding.remedy).toBeTruthy();
    expect(JSON.stringify(finding)).not.toContain('stranger');
  });
});
