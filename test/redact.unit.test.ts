import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableLines, quoted, withoutPassword } from '../src/redact.js';
import { anyText } from './support/any-text.js';

test.each<[rule: string, url: string, shown: string]>([
  ['its password', 'redis://user:hunter2@host:6379/1', 'redis://user:***@host:6379/1'],
  ['a password without a user', 'rediss://:hunter2@host', 'rediss://:***@host'],
  ['an encoded password', 'postgres://u:hunter2%40x@host/d', 'postgres://u:***@host/d'],
  ['its query', 'postgres://host/d?password=hunter2', 'postgres://host/d'],
  [
    'its password and its query',
    'postgres://u:hunter2@host/d?sslkey=hunter2',
    'postgres://u:***@host/d',
  ],
  [
    'its password, where it has several hosts',
    'redis-sentinel://u:hunter2%23@h1:26379,h2:26379/0?sentinelPassword=hunter2#main',
    'redis-sentinel://***@h1:26379,h2:26379/0',
  ],
  ['a password, of a cluster', 'rediss-cluster://:hunter2@h1,h2', 'rediss-cluster://:***@h1,h2'],
  ['a signature', 'https://host/v4/x?usersig=hunter2&random=1', 'https://host/v4/x'],
])('a URL is shown without %s', (_rule, url, shown) => {
  expect(withoutPassword(url)).toBe(shown);
});

test.each(['redis://host:6379/1', 'postgres://user@host/d', 'https://host', 'embedded', ''])(
  '%j has nothing to hide and is shown as it is',
  (text) => {
    expect(withoutPassword(text)).toBe(text);
  },
);

test.each([
  'postgres://user:hunter2#1@host/d',
  'redis://:hunter2@host:port',
  'user:hunter2@host:6379',
  'redis://:/hunter2@host:6379',
  'redis://:#hunter2@host:6379',
  'redis-sentinel://:#hunter2@h1:26379,h2:26379/0#main',
  'redis-sentinel://:a/hunter2@h1,h2/0#main',
  'redis-cluster://:?hunter2@h1:6379,h2:6379',
  'redis-cluster://u:hunter2@h1:6379,u:hunter2@h2:6379',
  'redis://:?hunter2@host:6379',
  'redis://user:/hunter2@host:6379',
  'redis://user:#hunter2@host:6379',
  'redis://user:?hunter2@host:6379',
  'postgres://user:12/hunter2@host/d',
  'postgres://user:12#hunter2@host/d',
  'postgres://user:1@2/hunter2@host/d',
  'postgres://user:1#2@3#hunter2@host/d',
  'postgres://user:x@host/d#hunter2',
  'postgres://host/d#hunter2',
  'rediss://user:[hunter2@host',
  'rediss://user:\\hunter2@host',
  ':hunter2@host:6379',
])('%j is no URL that can be read, and its password is not shown either', (text) => {
  expect(withoutPassword(text)).not.toContain('hunter2');
});

test.each<[rule: string, text: string, shown: string]>([
  ['printable ASCII as it is', ' ~"\\', ' ~"\\'],
  ['other letters as they are', 'café 房间 😀', 'café 房间 😀'],
  ['line breaks, which forge lines', 'a\r\nb', 'a\\u000d\\u000ab'],
  ['escape sequences, which move the cursor', '\x1b[31m', '\\u001b[31m'],
  ['NUL, DEL and C1', '\0\x7f\x9b', '\\u0000\\u007f\\u009b'],
  ['line separators', '\u2028\u2029', '\\u2028\\u2029'],
  ['overrides of direction', '\u202e\u2066', '\\u202e\\u2066'],
])('untrusted text is shown so that it cannot act: %s', (_rule, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test('long text is cut', () => {
  expect(printable('x'.repeat(200))).toBe('x'.repeat(200));
  expect(printable('x'.repeat(201))).toBe(`${'x'.repeat(200)}…`);
  expect(printable('abcdef', 3)).toBe('abc…');
});

test('no control character passes, whatever the text', () => {
  fc.assert(
    fc.property(anyText(), (text) => {
      expect(printable(text, 50)).not.toMatch(/\p{Cc}|[\u2028-\u202e\u2066-\u2069]/u);
    }),
  );
});

test('the lines of a screen stay lines, whatever else could act is escaped', () => {
  expect(printableLines('a\n\tb\r\n\u202e')).toBe('a\n\\u0009b\\u000d\n\\u202e');
  expect(printableLines('x'.repeat(1_000))).toHaveLength(1_000);
});

test('a quoted value is printable ASCII whatever it holds', () => {
  fc.assert(
    fc.property(fc.oneof(anyText(), fc.uint8Array()), (value) => {
      expect(quoted(value)).toMatch(/^"[ -~]*…?"$/);
    }),
  );
});
