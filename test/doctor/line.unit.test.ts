import { expect, test } from 'vitest';
import { judgeLine, type LineFacts, type WaitingFacts } from '../../src/doctor/line.js';
import type { Line } from '../../src/ledger/line.js';
import type { SeenWorker } from '../../src/ledger/workers.js';

const now = Date.parse('2026-11-23T02:31:07Z');

const running: Line = {
  ...{ id: 'line', host: 'api.example', ratePerSecond: 196.1, brakeReason: undefined },
  ...{ quotaFound: undefined, state: { kind: 'running' } },
  ...{ lastSlotMs: now - 1_000, databaseNowMs: now },
};
const stop = {
  ...{ code: 70009, reason: 'UserSig was made with the wrong key', remedy: 'check the key' },
  ...{ outage: false, by: 'box-7:4123' },
  ...{ sinceMs: now, probeAtMs: now },
};
const stopped: Line = { ...running, state: { kind: 'stopped', halt: stop } };

const read = { id: 'read-line', host: 'api.example', command: 'get_room_info' };

function waiting(
  changes: Partial<WaitingFacts['depth']> = {},
  heads: WaitingFacts['heads'] = [],
): WaitingFacts {
  const lanes = { urgent: 0, retry: 0, normal: 0, bulk: heads.length };
  const depth = { paused: false, waiting: heads.length, active: 0, delayed: 0, failed: 0, lanes };
  return { depth: { ...depth, ...changes }, heads };
}

const head = (changes: Partial<WaitingFacts['heads'][number]> = {}) => ({
  ...{ lane: 'bulk' as const, requestedAtMs: now - 600_000, notAfterMs: now + 600_000 },
  ...changes,
});

function trouble(changes: Partial<LineFacts>) {
  const facts = { lines: [running], haltedReads: [], waiting: waiting(), workers: [] };
  return judgeLine({ ...facts, ...changes }, 'api.example', now).filter(
    ({ level }) => level !== 'ok',
  );
}

test('a line that runs and a queue that is worked on are well', () => {
  expect(trouble({})).toEqual([]);
  expect(trouble({ waiting: waiting({}, [head()]) })).toEqual([]);
  expect(trouble({ lines: [] })).toEqual([]);
  const ofAnotherHost = { ...read, host: 'old.example', halt: stop };
  expect(trouble({ haltedReads: [ofAnotherHost] })).toEqual([]);
});

test('a line is said to run where the queue is seen and not paused', () => {
  const said = (of: LineFacts['waiting']) =>
    judgeLine(
      { lines: [running], haltedReads: [], waiting: of, workers: [] },
      'api.example',
      now,
    )[0]?.text;
  expect(said(waiting())).toMatch(/runs at/);
  for (const of of [waiting({ paused: true }), undefined]) expect(said(of)).not.toMatch(/runs/);
});

test.each<[rule: string, changes: Partial<LineFacts>, level: string, text: RegExp]>([
  [
    'a stopped line',
    { lines: [stopped] },
    'problem',
    /is stopped: .*wrong key \(70009\), said by worker box-7:4123/,
  ],
  [
    'that of another host is not in the way',
    { lines: [running, { ...stopped, host: 'old.example' }] },
    'warning',
    /of old\.example is stopped/,
  ],
  [
    'a command that only reads and is stopped',
    { haltedReads: [{ ...read, halt: stop }] },
    'problem',
    /^get_room_info is stopped: .*\(70009\), said by worker box-7:4123; rooms that need it wait/,
  ],
  [
    'one that does not work',
    { haltedReads: [{ ...read, halt: { ...stop, outage: true } }] },
    'warning',
    /^get_room_info does not work: .*rooms that need it wait/,
  ],
  [
    'a braked line',
    {
      lines: [
        {
          ...{ ...running, ratePerSecond: 24.5, brakeReason: 'too frequent (60018)' },
          state: { kind: 'braked' },
        },
      ],
    },
    'warning',
    /braked to 24\.5 requests\/s: too frequent/,
  ],
  [
    'a rate limit of a dashboard',
    { waiting: waiting({ limit: 'a rate limit of 5 rooms in 1000 ms' }) },
    'warning',
    /set a rate limit of 5 rooms in 1000 ms for the queue/,
  ],
  ['a pause by hand', { waiting: waiting({ paused: true }) }, 'warning', /paused by hand/],
  [
    'rooms that ended and are not gone',
    { waiting: waiting({ failed: 1_204 }) },
    'warning',
    /^1,204 rooms/,
  ],
  [
    'a room past its deadline at the head of its lane',
    { waiting: waiting({}, [head({ lane: 'retry', notAfterMs: now - 1 })]) },
    'warning',
    /first room of the retry lane is past its deadline/,
  ],
  [
    'rooms that wait while nothing is sent',
    { waiting: waiting({}, [head()]), lines: [{ ...running, lastSlotMs: now - 61_000 }] },
    'warning',
    /nothing was sent for 61 s/,
  ],
])('%s', (_rule, changes, level, text) => {
  expect(trouble(changes)).toMatchObject([
    { level, text: expect.stringMatching(text) as string, remedy: expect.any(String) as string },
  ]);
});

test.each<[rule: string, changes: Partial<LineFacts>]>([
  [
    'a room that was just asked for',
    { waiting: waiting({}, [head({ requestedAtMs: now - 5_000 })]) },
  ],
  ['rooms in hand of a worker', { waiting: waiting({ active: 1 }, [head()]) }],
])('%s is no sign that no worker runs', (_rule, changes) => {
  const lines = [{ ...running, lastSlotMs: now - 600_000 }];
  expect(trouble({ ...changes, lines })).toEqual([]);
});

test('a store that could not be asked is said to be so', () => {
  expect(trouble({ lines: undefined, waiting: undefined }).map(({ text }) => text)).toEqual([
    expect.stringMatching(/line was not looked at/) as string,
    expect.stringMatching(/waits was not looked at/) as string,
  ]);
});

const worker: SeenWorker = {
  ...{ id: 'w', lineId: 'line', sdkAppId: 1, host: 'box-7', pid: 4123, version: '1.0.0' },
  ...{ keyFingerprint: '3fa9c1d2', state: 'running', reason: undefined, inHand: 4 },
  ...{ startedAtMs: now - 60_000, seenAtMs: now - 1_000, isAlive: true },
};

test.each<[rule: string, workers: SeenWorker[], text: RegExp | undefined]>([
  ['workers of one key', [worker, { ...worker, pid: 5 }], undefined],
  [
    'one that ended without a word',
    [{ ...worker, isAlive: false }],
    /box-7:4123 was last heard of/,
  ],
  [
    'one that holds back',
    [{ ...worker, state: 'holding_back', reason: 'UserSig\u001b is wrong (70003)' }],
    /box-7:4123 holds back.*UserSig\\u001b is wrong \(70003\)/,
  ],
  [
    'workers of two keys',
    [worker, { ...worker, pid: 5, keyFingerprint: '00000000' }],
    /2 different keys: 3fa9c1d2 \(box-7:4123, …\), 00000000 \(box-7:5, …\)/,
  ],
  [
    'workers of two lines, with a key each',
    [worker, { ...worker, lineId: 'another', keyFingerprint: '00000000' }],
    undefined,
  ],
])('workers: %s', (_, workers, text) => {
  const found = trouble({ workers });
  expect(found.map((each) => each.text)).toEqual(
    text === undefined ? [] : [expect.stringMatching(text) as string],
  );
});

test('an outage of the API is a warning that goes by itself', () => {
  const halt = { ...stop, outage: true, reason: 'HTTP 502', code: undefined };
  const out: Line = { ...running, state: { kind: 'outage', halt } };
  expect(trouble({ lines: [out] })).toMatchObject([
    {
      level: 'warning',
      text: expect.stringMatching(/the API does not work: HTTP 502/) as string,
      remedy: expect.stringMatching(/goes on by itself/) as string,
    },
  ]);
});

test('a reason from the ledger cannot move the cursor', () => {
  const halt = { ...stop, reason: 'a\u001b[2Jb', by: 'c\u001b[2Jd' };
  const forged: Line = { ...running, state: { kind: 'stopped', halt } };
  const text = trouble({ lines: [forged] })[0]?.text;
  expect(text).toContain('a\\u001b[2Jb (70009), said by worker c\\u001b[2Jd');
});
