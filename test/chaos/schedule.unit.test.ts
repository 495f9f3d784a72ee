import { expect, test } from 'vitest';
import { kindOf, makeWaves, prefixes } from './rooms.js';
import { makeSchedule, targetOf } from './schedule.js';

const faultsMs = 60_000;
const schedule = (seed: number) => makeSchedule(seed, faultsMs, 3);

test('the same seed gives the same trouble and the same rooms, another seed others', () => {
  expect(schedule(7)).toEqual(schedule(7));
  expect(schedule(8)).not.toEqual(schedule(7));
  expect(makeWaves(7, 500, faultsMs)).toEqual(makeWaves(7, 500, faultsMs));
  expect(makeWaves(8, 500, faultsMs)).not.toEqual(makeWaves(7, 500, faultsMs));
});

test('nothing has two faults at once, and none outlasts the time for faults', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const freeFrom = new Map<string, number>();
    for (const { atMs, forMs, deed } of schedule(seed)) {
      const target = targetOf(deed);
      expect(atMs).toBeGreaterThanOrEqual(freeFrom.get(target) ?? 0);
      expect(atMs + forMs).toBeLessThanOrEqual(faultsMs);
      freeFrom.set(target, atMs + forMs);
    }
  }
});

test('a minute of trouble, in ten seeds, holds every kind of it', () => {
  const kinds = new Set(
    Array.from({ length: 10 }, (_, seed) => schedule(seed))
      .flat()
      .map(({ deed }) =>
        [
          deed.kind,
          'link' in deed ? deed.link : '',
          'fault' in deed ? deed.fault.kind : '',
          'server' in deed ? deed.server : '',
          'name' in deed ? deed.name : '',
        ].join(' '),
      ),
  );
  // 3 for workers, 3 for servers, 3 cuts, 3 forgotten, 3 each of delay, silence, refusal and garbling, 3 kinds of answers, signatures.
  expect(kinds.size).toBe(3 + 3 + 3 + 3 + 12 + 3 + 1);
});

test('the waves ask for as many rooms as are wanted, of every kind, some of them twice', () => {
  const rooms = makeWaves(3, 2_000, faultsMs).flatMap((wave) => wave.rooms);
  expect(new Set(rooms).size).toBe(2_000);
  expect(rooms.length).toBeGreaterThan(2_000);
  expect(new Set(rooms.map(kindOf))).toEqual(new Set(Object.keys(prefixes)));
});
