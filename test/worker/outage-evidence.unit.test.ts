import { describe, expect, test } from 'vitest';
import { createOutageEvidence, type Failure } from '../../src/worker/outage-evidence.js';

const failure = (changes: Partial<Failure> = {}): Failure => ({
  destructionId: 'a',
  fresh: true,
  unsent: false,
  ...changes,
});

/** `count` failures, a tenth of a second apart from `from`. */
function failing(count: number, of: (index: number) => Failure, from = 0) {
  const evidence = createOutageEvidence();
  for (let index = 0; index < count; index++) evidence.failed(of(index), from + index * 100);
  return evidence;
}

const rooms = (index: number) => failure({ destructionId: `room-${index}` });

describe('failures are suspected to be the fault of the API', () => {
  test('when ten rooms failed in a row', () => {
    expect(failing(9, rooms).suspected).toBe(false);
    expect(failing(10, rooms).suspected).toBe(true);
  });

  test('not when one room failed ten times: it may be about that room', () => {
    expect(failing(100, () => failure()).suspected).toBe(false);
  });

  test('not when rooms failed that had failed in an earlier run: such are left at the end of a list', () => {
    const before = (index: number) => failure({ destructionId: `room-${index}`, fresh: false });
    expect(failing(100, before).suspected).toBe(false);
  });

  test('when three requests never reached it, whichever room they were for', () => {
    const unsent = () => failure({ unsent: true, fresh: false });
    expect(failing(2, unsent).suspected).toBe(false);
    expect(failing(3, unsent).suspected).toBe(true);
  });

  test('not any more after one good answer', () => {
    const evidence = failing(10, rooms);
    evidence.worked();
    expect(evidence.suspected).toBe(false);
    for (let index = 0; index < 9; index++) evidence.failed(rooms(index), 2_000);
    expect(evidence.suspected).toBe(false);
  });

  test('not where the failures before were long ago', () => {
    const evidence = failing(9, rooms);
    evidence.failed(rooms(9), 60_000);
    expect(evidence.suspected).toBe(false);
  });
});

describe('an outage is proven', () => {
  test('when they went on for a second and a half', () => {
    const evidence = createOutageEvidence();
    for (let index = 0; index < 10; index++) evidence.failed(rooms(index), 1_000);
    expect(evidence.proven(2_499)).toBe(false);
    expect(evidence.proven(2_500)).toBe(true);
  });

  test('not by a burst, such as connections that are all reset at once', () => {
    const evidence = createOutageEvidence();
    for (let index = 0; index < 100; index++) evidence.failed(rooms(index), 1_000 + index);
    expect(evidence.proven(1_099)).toBe(false);
  });

  test('not by a fifth of the answers, however long it lasts', () => {
    const evidence = createOutageEvidence();
    let proven = false;
    for (let index = 0; index < 100_000; index++) {
      if (index % 5 === 0) evidence.failed(rooms(index), index * 5);
      else evidence.worked();
      proven ||= evidence.proven(index * 5);
    }
    expect(proven).toBe(false);
  });
});
