import { createHmac } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createSigner,
  userSigLifeSeconds,
  userSigRenewAfterMs,
  type Signer,
} from '../../src/tencent/user-sig.js';

const credentials = {
  sdkAppId: 1_400_000_001,
  secretKey: 'a secret key that is long enough',
  adminIdentifier: 'administrator',
};
const start = Date.UTC(2026, 10, 23, 2, 30, 0, 250);
const hourMs = 3_600_000;

// The generator dates a signature by the system clock; the signer renews by the same one.
beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: start }));
afterEach(() => vi.useRealTimers());

/** Takes a UserSig apart: Base64 of its own alphabet, then zlib, then JSON. */
function fieldsOf(text: string): Record<string, unknown> {
  const base64 = text.replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '=');
  const json = inflateSync(Buffer.from(base64, 'base64')).toString('utf8');
  return JSON.parse(json) as Record<string, unknown>;
}

function isSigned(text: string): boolean {
  const fields = fieldsOf(text);
  const signed =
    `TLS.identifier:administrator\nTLS.sdkappid:1400000001\n` +
    `TLS.time:${String(fields['TLS.time'])}\nTLS.expire:${String(fields['TLS.expire'])}\n`;
  const hmac = createHmac('sha256', credentials.secretKey).update(signed).digest('base64');
  return fields['TLS.sig'] === hmac;
}

describe('a UserSig', () => {
  test('has the documented fields, and an HMAC over them with the secret key', () => {
    const time = Math.floor(start / 1000);
    const fields = fieldsOf(createSigner(credentials).current().text);
    const signed = `TLS.identifier:administrator\nTLS.sdkappid:1400000001\nTLS.time:${time}\nTLS.expire:${userSigLifeSeconds}\n`;
    expect(fields).toEqual({
      'TLS.ver': '2.0',
      'TLS.identifier': 'administrator',
      'TLS.sdkappid': 1_400_000_001,
      'TLS.time': time,
      'TLS.expire': userSigLifeSeconds,
      'TLS.sig': createHmac('sha256', credentials.secretKey).update(signed).digest('base64'),
    });
  });

  test('is safe in a URL as it is', () => {
    const { text } = createSigner(credentials).current();
    expect(text).toMatch(/^[A-Za-z0-9*_-]+$/);
    expect(encodeURIComponent(text)).toBe(text);
  });

  test('does not contain the key', () => {
    const { text } = createSigner(credentials).current();
    expect(JSON.stringify(fieldsOf(text))).not.toContain(credentials.secretKey);
  });
});

describe('a signature is renewed after a day', () => {
  test('one signature serves every request until then', () => {
    const signer = createSigner(credentials);
    const first = signer.current();
    for (const hours of [0, 1, 12, 23.999]) {
      vi.setSystemTime(start + hours * hourMs);
      expect(signer.current()).toBe(first);
    }
    vi.setSystemTime(start + 24 * hourMs);
    expect(signer.current()).not.toBe(first);
    expect(signer.current().text).not.toBe(first.text);
  });

  test('in a week of requests, one in five minutes, each arrives with a signature that is valid and has 24 hours left', () => {
    const signer = createSigner(credentials);
    const used = new Set<string>();
    for (let minute = 0; minute < 7 * 24 * 60; minute += 5) {
      const sentAt = start + minute * 60_000 + 7 * minute;
      vi.setSystemTime(sentAt);
      const { text } = signer.current();
      if (!used.has(text)) expect(isSigned(text)).toBe(true);
      used.add(text);
      const fields = fieldsOf(text);
      const from = Number(fields['TLS.time']) * 1000;
      const until = from + Number(fields['TLS.expire']) * 1000;
      // Sent, and eight seconds later, when a slow way has taken it to the API.
      expect(from).toBeLessThanOrEqual(sentAt);
      expect(until - (sentAt + 8_000)).toBeGreaterThanOrEqual(24 * hourMs);
    }
    expect(used.size).toBe(7);
  });

  test('the last request before it is replaced arrives with 24 hours left too', () => {
    const signer = createSigner(credentials);
    const first = signer.current();
    vi.setSystemTime(start + userSigRenewAfterMs - 1);
    expect(signer.current()).toBe(first);
    const fields = fieldsOf(first.text);
    const until = (Number(fields['TLS.time']) + Number(fields['TLS.expire'])) * 1000;
    expect(until - (Date.now() + 8_000)).toBeGreaterThanOrEqual(24 * hourMs);
  });

  test('the clocks can be given', () => {
    let now = 0;
    const signer = createSigner(
      credentials,
      () => now,
      () => 0,
    );
    const first = signer.current();
    now = userSigRenewAfterMs - 1;
    expect(signer.current()).toBe(first);
    now += 1;
    expect(signer.current()).not.toBe(first);
  });

  test('also where the system clock was set back meanwhile: a day is a day', () => {
    let monotonic = 0;
    const signer = createSigner(
      credentials,
      () => start,
      () => monotonic,
    );
    const first = signer.current();
    monotonic = userSigRenewAfterMs - 1;
    expect(signer.current()).toBe(first);
    monotonic += 1;
    expect(signer.current()).not.toBe(first);
  });

  test('one that is dated in the future, since the system clock was set back, is replaced', () => {
    vi.setSystemTime(start + 5 * hourMs);
    const signer = createSigner(credentials);
    const early = signer.current();
    vi.setSystemTime(start);
    const { text } = signer.current();
    expect(text).not.toBe(early.text);
    expect(Number(fieldsOf(text)['TLS.time']) * 1000).toBeLessThanOrEqual(start);
  });

  test('that is no answer to a staleness: it counts as fresh', () => {
    const signer = createSigner(credentials);
    signer.current();
    vi.setSystemTime(start + 24 * hourMs);
    expect(signer.current().renewed).toBe(false);
  });
});

describe('a signature that the API called stale', () => {
  test('is replaced, by another text though it is the same second', () => {
    const signer = createSigner(credentials);
    const stale = signer.current();
    expect(signer.renew(stale)).toBe(true);
    const fresh = signer.current();
    expect(fresh.text).not.toBe(stale.text);
    expect(fresh.renewed).toBe(true);
    expect(fieldsOf(fresh.text)['TLS.time']).toBe(fieldsOf(stale.text)['TLS.time']);
  });

  test('is replaced once, however many requests carried it', () => {
    const signer = createSigner(credentials);
    const stale = signer.current();
    const after = Array.from({ length: 50 }, () => {
      expect(signer.renew(stale)).toBe(true);
      return signer.current();
    });
    expect(new Set(after).size).toBe(1);
    expect(after[0]).not.toBe(stale);
  });

  test('late answers to the old one do not make the new one suspect', () => {
    const signer = createSigner(credentials);
    const stale = signer.current();
    signer.renew(stale);
    const second = signer.current();
    for (let answers = 0; answers < 50; answers++) expect(signer.renew(stale)).toBe(true);
    expect(signer.current()).toBe(second);
  });

  test('is replaced again where the new one is stale too: one answer may be about one room only', () => {
    const signer = createSigner(credentials);
    signer.renew(signer.current());
    const second = signer.current();
    expect(signer.renew(second)).toBe(true);
    expect(signer.current().text).not.toBe(second.text);
  });
});

describe('where renewing does not help', () => {
  /** Calls each signature stale, as a wrong key would; gives back after how many it was enough. */
  function staleUntilHopeless(signer: Signer): number {
    for (let answers = 1; answers <= 100; answers++) {
      if (!signer.renew(signer.current())) return answers;
    }
    return Number.POSITIVE_INFINITY;
  }

  test('ten renewed ones in a row say so, and no more signatures are made', () => {
    const signer = createSigner(credentials);
    // The first was to a signature that was not renewed.
    expect(staleUntilHopeless(signer)).toBe(1 + 10);
    const last = signer.current();
    expect(signer.renew(last)).toBe(false);
    expect(signer.current()).toBe(last);
  });

  test('a success in between begins the count anew', () => {
    const signer = createSigner(credentials);
    for (let answers = 0; answers < 8; answers++) signer.renew(signer.current());
    signer.accepted(signer.current());
    expect(staleUntilHopeless(signer)).toBe(1 + 10);
  });

  test('a signature that was accepted and is stale later is a new event, however many carry it', () => {
    const signer = createSigner(credentials);
    signer.renew(signer.current());
    const second = signer.current();
    signer.accepted(second);
    for (let answers = 0; answers < 50; answers++) expect(signer.renew(second)).toBe(true);
    expect(signer.current()).not.toBe(second);
  });
});
