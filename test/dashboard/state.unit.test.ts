import { expect, test } from 'vitest';
import { Problem } from '../../src/dashboard/api';
import { stateOf } from '../../src/dashboard/state';
import type { Status } from '../../src/dashboard/types';

const halt = { reason: 'why', since: '2026-11-30T10:00:00Z', remedy: 'what', by: 'vm:1' };
const line = { host: 'h', state: 'running', ratePerSecond: 196.1 } as const;
const queue = {
  ...{ paused: false, waiting: 10, active: 2, delayed: 0, failed: 0 },
  lanes: { urgent: 0, retry: 0, normal: 0, bulk: 10 },
};
const running: Status = {
  ...{ line: 'running', lines: [line], sentPerSecond: 190, workers: [], batches: [] },
  ...{ queue, etaSeconds: 61 },
};
const away = new Problem(0, { detail: 'the server does not answer' });

test.each<[string, Partial<Status> | undefined, Problem | undefined, string, string | undefined]>([
  ['nothing is known yet', undefined, undefined, 'loading', undefined],
  ['the server is away from the start', undefined, away, 'unknown', 'the server does not answer'],
  ['the server went away', {}, away, 'unknown', 'the server does not answer'],
  ['rooms go', {}, undefined, 'running', '12 rooms to go, done in 1 min 1 s'],
  ['nobody knows when it is done', { etaSeconds: null }, undefined, 'running', '12 rooms to go'],
  [
    'rooms wait for their time',
    { queue: { ...queue, waiting: 0, active: 0, delayed: 1 }, etaSeconds: 0 },
    ...([undefined, 'running', '1 room not due yet'] as const),
  ],
  [
    'there is nothing',
    { queue: { ...queue, waiting: 0, active: 0 }, etaSeconds: 0 },
    ...([undefined, 'idle', undefined] as const),
  ],
  [
    'it is stopped and paused: the stop is what is to be mended',
    { line: 'paused', lines: [{ ...line, stopped: halt }], queue: { ...queue, paused: true } },
    ...([undefined, 'stopped', 'why'] as const),
  ],
  [
    'a line was stopped and left for another host',
    { lines: [{ ...line, host: 'old', left: true, stopped: halt }, line] },
    ...([undefined, 'running', '12 rooms to go, done in 1 min 1 s'] as const),
  ],
  [
    'it is paused by somebody',
    { queue: { ...queue, paused: true, pause: { by: 'ana', note: 'lunch' } } },
    ...([undefined, 'paused', 'ana paused the queue: lunch'] as const),
  ],
  [
    'it is paused by nobody known',
    { queue: { ...queue, paused: true } },
    undefined,
    'paused',
    'The queue was paused.',
  ],
  [
    'the API is out',
    { lines: [{ ...line, outage: halt }], noEtaBecause: 'line_stands' },
    undefined,
    'outage',
    'why',
  ],
  [
    'a store is away',
    { queue: null, unreachable: 'Redis is' },
    undefined,
    'unavailable',
    'Redis is',
  ],
  [
    'there is no worker',
    { etaSeconds: null, noEtaBecause: 'no_worker' },
    ...([undefined, 'waiting', 'No worker is at work. Start one: room-reaper worker'] as const),
  ],
  [
    'it is braked',
    { lines: [{ ...line, state: 'braked', brakeReason: 'over quota' }] },
    ...([undefined, 'braked', 'over quota'] as const),
  ],
])('%s', (_, change, problem, kind, cause) => {
  const status = change === undefined ? undefined : { ...running, ...change };
  expect(stateOf(status, problem)).toMatchObject({ kind, cause });
});
