import { expect, test } from 'vitest';
import { planToText, type ReplayOutlook } from '../../src/cli/replay-plan.js';

const outlook: ReplayOutlook = {
  origin: '--all',
  plan: [
    {
      ...{ fate: 'replay', outcome: 'failed', errorCode: 100001, errorInfo: undefined },
      ...{ rooms: 1_960, example: 'room-1' },
    },
  ],
  ...{ total: 1_960, seconds: 10, ahead: 0, aheadSeconds: 0, held: undefined },
};
const lastLine = (changes: Partial<ReplayOutlook>) =>
  planToText({ ...outlook, ...changes }, Date.UTC(2026, 0, 1))
    .split('\n')
    .at(-1);

test('it says how long it takes, and what goes before', () => {
  expect(lastLine({})).toMatch(/^1,960 rooms: 10 s; done \S+ if nothing else comes$/);
  expect(lastLine({ ahead: 196, aheadSeconds: 1 })).toMatch(
    /^1,960 rooms: 10 s, after 196 rooms that wait before \(1 s\); done \S+ if nothing else comes$/,
  );
});

test('where nothing moves it says why', () => {
  expect(lastLine({ held: 'stopped' })).toMatch(/, once the line runs: it is stopped$/);
});
