import { expect, test } from 'vitest';
import { endProtected } from '../../src/worker/protected.js';
import { destruction, madeUpContext } from './made-up.js';

test('a room that is not protected goes on', async () => {
  const { context, done } = madeUpContext();
  expect(await endProtected(destruction, context)).toBeUndefined();
  expect(done).toEqual([]);
});

test.each([
  { sentBefore: false, outcome: 'cancelled' },
  { sentBefore: true, outcome: 'failed' },
])(
  'a protected room, sent before: $sentBefore, ends as $outcome and names its entry',
  async (given) => {
    const { context, logged } = madeUpContext({ ...given, protects: 'room-*' });
    expect(await endProtected(destruction, context)).toEqual({
      kind: 'ended',
      outcome: given.outcome,
      reason: 'protected by "room-*"',
    });
    expect(logged).toMatchObject([{ entry: 'room-*', roomId: 'room-1' }]);
  },
);
