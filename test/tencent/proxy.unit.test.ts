import { describe, expect, test } from 'vitest';
import { chooseProxy } from '../../src/tencent/proxy.js';

const api = 'https://console.tim.qq.com';
const choose = (environment: Record<string, string>, endpoint = api) =>
  chooseProxy(environment, endpoint);
const shown = (environment: Record<string, string>, endpoint = api) =>
  choose(environment, endpoint).proxy?.shown;

describe('the proxy of the environment', () => {
  test.each<[text: string, expected: object]>([
    ['http://proxy:3128', { host: 'proxy', shown: 'http://proxy:3128' }],
    ['http://proxy', { host: 'proxy', shown: 'http://proxy' }],
    ['https://proxy', { host: 'proxy', shown: 'https://proxy' }],
    ['proxy:3128', { host: 'proxy', shown: 'http://proxy:3128' }],
    ['10.0.0.1:3128', { host: '10.0.0.1', shown: 'http://10.0.0.1:3128' }],
    ['http://[::1]:3128/', { host: '::1', shown: 'http://[::1]:3128' }],
    ['  http://proxy:3128\n', { host: 'proxy', shown: 'http://proxy:3128' }],
  ])('%j', (text, expected) => {
    expect(choose({ HTTPS_PROXY: text })).toMatchObject({ proxy: expected, problem: undefined });
  });

  test('is named in lower case too, which goes first', () => {
    expect(shown({ https_proxy: 'http://low:1' })).toBe('http://low:1');
    expect(shown({ https_proxy: 'http://low:1', HTTPS_PROXY: 'http://up:1' })).toBe('http://low:1');
    expect(shown({ https_proxy: '', HTTPS_PROXY: 'http://up:1' })).toBe('http://up:1');
  });

  test('may ask for a user and a password, which are not shown', () => {
    const { proxy } = choose({ HTTPS_PROXY: 'http://me:p%40ss%3A@proxy:3128' });
    expect(proxy).toMatchObject({
      authorization: `Basic ${Buffer.from('me:p@ss:').toString('base64')}`,
      shown: 'http://proxy:3128',
    });
  });

  test.each([{}, { HTTPS_PROXY: '' }, { HTTPS_PROXY: ' ' }, { HTTP_PROXY: 'http://proxy:1' }])(
    '%j: none',
    (environment) => {
      expect(choose(environment)).toEqual({ proxy: undefined, problem: undefined });
    },
  );

  test.each([
    'socks5://me:hunter2@proxy:1',
    'http://me:hunter2@',
    'ftp://hunter2',
    '://hunter2',
    'http://hunter2:x y',
  ])('%j cannot be meant: refused, and not shown', (text) => {
    const { proxy, problem } = choose({ HTTPS_PROXY: text });
    expect(proxy).toBeUndefined();
    expect(problem).toMatch(/^HTTPS_PROXY must be a URL such as http:\/\/proxy:3128/);
    expect(problem).not.toContain('hunter2');
  });

  test('is never used for plain http: it would see the signature', () => {
    const environment = { HTTPS_PROXY: 'http://proxy:1', HTTP_PROXY: 'http://proxy:1' };
    expect(shown(environment, 'http://127.0.0.1:8080')).toBeUndefined();
  });
});

describe('NO_PROXY', () => {
  test.each<[list: string, endpoint: string]>([
    ['*', api],
    ['console.tim.qq.com', api],
    ['CONSOLE.TIM.QQ.COM', api],
    ['qq.com', api],
    ['.qq.com', api],
    ['*.qq.com', api],
    ['localhost, 127.0.0.1,qq.com', api],
    ['localhost qq.com', api],
    ['qq.com:443', api],
    ['qq.com.', api],
    ['qq.com:8443', 'https://console.tim.qq.com:8443'],
    ['127.0.0.1', 'https://127.0.0.1:8443'],
    ['127.0.0.0/8', 'https://127.0.0.1:8443'],
    ['127.0.0.1:8443', 'https://127.0.0.1:8443'],
    ['::1', 'https://[::1]:8443'],
    ['[::1]', 'https://[::1]:8443'],
    ['[::1]:8443', 'https://[::1]:8443'],
    ['fe80::/10', 'https://[fe80::1]'],
  ])('%j is without it at %s', (list, endpoint) => {
    expect(shown({ HTTPS_PROXY: 'http://proxy:1', NO_PROXY: list }, endpoint)).toBeUndefined();
    expect(shown({ HTTPS_PROXY: 'http://proxy:1', no_proxy: list }, endpoint)).toBeUndefined();
  });

  test.each<[list: string, endpoint: string]>([
    ['', api],
    [',', api],
    ['q.com', api],
    ['other.com', api],
    ['onsole.tim.qq.com', api],
    ['console.tim.qq.com.evil.com', api],
    ['qq.com:8443', api],
    ['10.0.0.0/8', 'https://127.0.0.1:8443'],
    ['0.0.1', 'https://127.0.0.1:8443'],
    ['127.0.0.1/40', 'https://127.0.0.1:8443'],
    ['127.0.0.1:1', 'https://127.0.0.1:8443'],
  ])('%j is not at %s', (list, endpoint) => {
    expect(shown({ HTTPS_PROXY: 'http://proxy:1', NO_PROXY: list }, endpoint)).toBe(
      'http://proxy:1',
    );
  });
});
