import { describe, expect, test } from 'vitest';
import { isFull, refusalReason } from '../../src/queue/refusal.js';

describe('why a queue did not take something, in words that say what to do', () => {
  test.each<[said: string, reason: RegExp]>([
    ["Stream isn't writeable and enableOfflineQueue options is false", /cannot be reached; start/],
    ['Connection is closed.', /cannot be reached; start/],
    ['connect ECONNREFUSED 127.0.0.1:6379', /cannot be reached; start/],
    ['Connection terminated unexpectedly', /cannot be reached; start/],
    ['Command timed out', /does not answer/],
    ['Query read timeout', /does not answer/],
    ["Socket timeout. Expecting data, but didn't receive any in 5000ms.", /does not answer/],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 29", /full \(OOM\); raise/],
    ["READONLY You can't write against a read only replica.", /read-only/],
    ['LOADING Redis is loading the dataset in memory', /loading/],
    [
      "ERR The user executing the script can't run this command or subcommand script: 29, on @user_script:8.",
      /ACL does not allow .*; give the user in QUEUE_URL the rights of a queue: ~bull:/,
    ],
    ['MISCONF Redis is configured to save RDB snapshots', /write to its disk/],
  ])('%s', (said, reason) => {
    expect(refusalReason(new Error(said))).toMatch(reason);
  });

  test('anything else in its own words, made printable', () => {
    expect(refusalReason(new Error('some\u001b[31mthing'))).toBe('some\\u001b[31mthing');
    expect(refusalReason({})).toBe('unknown error');
  });

  test('by its code, where it has one', () => {
    expect(refusalReason(Object.assign(new Error(''), { code: 'ECONNREFUSED' }))).toMatch(
      /cannot be reached/,
    );
  });

  test('that Redis is full is told apart, by its own answer alone', () => {
    expect(isFull(new Error("OOM command not allowed when used memory > 'maxmemory'."))).toBe(true);
    expect(isFull(new Error('Connection is closed after an OOM '))).toBe(false);
    expect(isFull({ message: 'OOM ' })).toBe(false);
  });
});
