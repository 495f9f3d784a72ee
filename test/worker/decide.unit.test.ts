import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/destruction.js';
import type { Verdict, VerdictWord } from '../../src/tencent/verdicts.js';
import { decide, type Decision } from '../../src/worker/decide.js';

const statistics = {
  totalViewers: 0n,
  totalGiftsSent: 0n,
  totalGiftCoins: 0n,
  totalUniqueGiftSenders: 0n,
  totalLikesReceived: 0n,
};

const verdict = (word: VerdictWord, more: Partial<Verdict> = {}): Verdict => ({
  word,
  reason: 'a reason',
  mayHaveActed: false,
  ...more,
});

const end = (outcome: Outcome): Decision => ({ kind: 'end', outcome });

describe('what ends a destruction depends on the verdict and on what was sent before', () => {
  test.each<[rule: string, verdict: Verdict, mayHaveActedBefore: boolean, outcome: Outcome]>([
    [
      'a success with statistics is destroyed, though they are all zero',
      verdict('destroyed', { statistics }),
      false,
      'destroyed',
    ],
    [
      'a success with statistics is destroyed, whatever went before',
      verdict('destroyed', { statistics }),
      true,
      'destroyed',
    ],
    [
      'a success without statistics is destroyed with statistics lost',
      verdict('destroyed'),
      false,
      'destroyed_statistics_lost',
    ],
    ['a 100004 as the first answer ever is already gone', verdict('gone'), false, 'already_gone'],
    [
      'a 100004 after an attempt that may have acted is destroyed with statistics lost',
      verdict('gone'),
      true,
      'destroyed_statistics_lost',
    ],
    ['a rejection is rejected', verdict('rejected'), false, 'rejected'],
    ['a rejection is rejected, whatever went before', verdict('rejected'), true, 'rejected'],
  ])('%s', (_rule, given, mayHaveActedBefore, outcome) => {
    expect(decide(given, mayHaveActedBefore)).toEqual(end(outcome));
  });
});

describe('what does not end it', () => {
  test.each<[word: VerdictWord, kind: Decision['kind'], rule: string]>([
    ['transient', 'retry', 'which spends one of its retries'],
    ['over_quota', 'brake', 'for everyone'],
    ['stale_signature', 'renew_signature', 'and is tried again'],
    ['stop_line', 'stop_line', 'for everyone'],
  ])('%s → %s, %s', (word, kind) => {
    for (const mayHaveActedBefore of [false, true]) {
      for (const mayHaveActed of [false, true]) {
        expect(decide(verdict(word, { mayHaveActed }), mayHaveActedBefore)).toEqual({ kind });
      }
    }
  });
});
