import { expect, test } from 'vitest';
import { forecast, fullPace, type Outlook } from '../../src/operations/forecast.js';
import { planToText } from '../../src/cli/replay-plan.js';
import type { ReplayPlan } from '../../src/operations/replay.js';

const groups: ReplayPlan['groups'] = [
  {
    ...{ fate: 'replay', outcome: 'failed', errorCode: 100001, errorInfo: undefined },
    ...{ rooms: 1_960, example: 'room-1', meaning: 'internal error' },
  },
];
function lastLine(changes: Partial<Outlook>) {
  const outlook = { ...fullPace(5.1), waitingAhead: 0, ...changes };
  const made = forecast({ rooms: 1_960, outlook, nowMs: Date.UTC(2026, 0, 1) });
  const plan = { origin: '--all', groups, forecast: made, protected: { total: 0, named: [] } };
  return planToText(plan).split('\n').at(-2);
}

test('it says how long it takes, and what goes before', () => {
  expect(lastLine({})).toMatch(/^1,960 rooms: 10 s; done 08:00:09 UTC\+8 if nothing else comes$/);
  expect(lastLine({ waitingAhead: 196 })).toMatch(
    /^1,960 rooms: 10 s, after 196 rooms that wait before \(1 s\); done 08:00:10 UTC\+8 if nothing else comes$/,
  );
});

test('where nothing moves it says why', () => {
  expect(lastLine({ held: 'stopped' })).toMatch(/, once the line runs: it is stopped$/);
});
