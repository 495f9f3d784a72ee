import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  latestMs,
  lanes,
  queueName,
  readDestruction,
  toJobData,
  withOnlyCreatedBefore,
} from '../../src/queue/job.js';

const id = '019ab3f2-9c00-7000-8000-0123456789ab';
const batchId = '019ab3f2-9c00-7fff-bfff-ffffffffffff';
const day = 86_400_000;
/** When it was asked for, which is the job's own timestamp. */
const asked = 1_800_000_000_000;
const plain = { roomId: 'room-1', batchId, requestedAtMs: asked, notAfterMs: asked + day };
const data = { r: 'room-1', l: day, b: 'AZqz8pwAf_-__________w' };
/** As versions before 0.2 wrote it. */
const earlier = { r: 'room-1', t: asked, n: asked + day, b: batchId };

const roomId = fc
  .string({ minLength: 1, maxLength: 48, unit: 'grapheme-ascii' })
  .filter((text) => /^[\x20-\x7e]+$/.test(text));
const time = fc.nat(latestMs);
const timeOfRequest = fc.integer({ min: Date.UTC(2020, 0, 1), max: latestMs });
const uuid = fc.uuid();
const noKeyNeeded = { requiredKeys: [] };

test('a job holds what it is given, under short names', () => {
  const destruction = {
    roomId: 'room-1',
    batchId,
    requestedAtMs: asked,
    notAfterMs: asked + day,
  };
  expect(toJobData(destruction)).toEqual(data);
  expect(Object.keys(toJobData({ ...destruction, batchId: undefined }))).toEqual(['r', 'l']);
  expect(readDestruction(id, data, asked)).toEqual({ id, ...destruction });
});

test('what was not asked for takes no byte of a job', () => {
  expect(toJobData({ ...plain, snapshot: false })).toEqual(data);
  const wished = { ...plain, onlyCreatedBeforeMs: asked - 5, snapshot: true };
  const { r, ...rest } = data;
  const written = { ...rest, o: r, g: asked - 5, s: 1 };
  expect(toJobData(wished)).toEqual(written);
  expect(readDestruction(id, written, asked)).toEqual({ id, ...wished });
});

test('no earlier version can read a job of a room that must not have been created later', () => {
  const job = toJobData({ ...plain, batchId: undefined });
  const guarded = withOnlyCreatedBefore(job, asked - 5);
  expect(guarded).toEqual({ l: day, o: 'room-1', g: asked - 5 });
  expect(withOnlyCreatedBefore(guarded, asked)).toEqual({ ...guarded, g: asked });
  expect(withOnlyCreatedBefore(guarded, undefined)).toEqual(job);
});

test('a job of an earlier version is read as it was meant, whatever its timestamp', () => {
  expect(readDestruction(id, earlier, asked + 5)).toEqual({
    id,
    roomId: 'room-1',
    batchId,
    requestedAtMs: asked,
    notAfterMs: asked + day,
  });
});

test('a deadline that was changed counts instead of the first one', () => {
  expect(readDestruction(id, { ...data, n: asked + 5 }, asked)?.notAfterMs).toBe(asked + 5);
});

test('whatever is written is read again, through JSON', () => {
  fc.assert(
    fc.property(
      uuid,
      roomId,
      timeOfRequest,
      time,
      fc.option(uuid, { nil: undefined }),
      fc.record({ onlyCreatedBeforeMs: timeOfRequest, snapshot: fc.constant(true) }, noKeyNeeded),
      (...fields) => {
        const [jobId, room, requestedAtMs, lifeMs, batch, wishes] = fields;
        const notAfterMs = Math.min(requestedAtMs + lifeMs, latestMs);
        const asked = { roomId: room, batchId: batch, requestedAtMs, notAfterMs };
        const destruction = { ...asked, ...wishes };
        const written: unknown = JSON.parse(JSON.stringify(toJobData(destruction)));
        const read = readDestruction(jobId, written, requestedAtMs);
        expect(read).toEqual({ id: jobId, ...destruction });
      },
    ),
  );
});

describe('a job of another program is not one of ours', () => {
  test.each<[rule: string, data: unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', '{"r":"room-1"}'],
    ['an array', [data]],
    ['an empty object', {}],
    ['no room', { ...data, r: undefined }],
    ['an empty room', { ...data, r: '' }],
    ['an empty room of before a time', { ...data, r: undefined, o: '', g: asked }],
    ['a room of 49 bytes', { ...data, r: 'x'.repeat(49) }],
    ['a room with a line break at its end', { ...data, r: 'room-1\n' }],
    ['a room with a control character', { ...data, r: 'room\u0000' }],
    ['a room that is not ASCII', { ...data, r: 'rööm' }],
    ['a room that is a number', { ...data, r: 42 }],
    ['a negative time', { ...data, t: -1 }],
    ['a fractional time', { ...data, t: 1.5 }],
    ['a time in text', { ...data, t: '1800000000000' }],
    ['a time beyond 2⁵³', { ...data, t: 2 ** 53 }],
    ['a time that no calendar has', { ...data, t: 9e15 }],
    ['a time after the year 9999', { ...data, t: Date.UTC(10_000, 0, 1) }],
    ['a deadline that no calendar has', { ...data, n: 9e15 }],
    ['a life that no calendar has', { ...data, l: 9e15 }],
    ['no deadline', { ...data, l: undefined }],
    ['a deadline of null', { ...data, n: null }],
    ['a negative life', { ...data, l: -1 }],
    ['a life beyond 2⁵³', { ...data, l: Number.MAX_SAFE_INTEGER }],
    ['a batch that is no id', { ...data, b: "x'; drop table attempts" }],
    ['a batch of null', { ...data, b: null }],
    ['a guard in text', { ...data, g: '1800000000000' }],
    ['a guard that lost a digit', { ...data, g: 180_000_000_000 }],
    ['a guard of null', { ...data, g: null }],
    ['a snapshot of true', { ...data, s: true }],
    ['a snapshot of 0', { ...data, s: 0 }],
    ['a batch of 21 characters', { ...data, b: data.b.slice(1) }],
  ])('%s', (_rule, wrong) => {
    expect(readDestruction(id, data, asked)).toBeDefined();
    expect(readDestruction(id, wrong, asked)).toBeUndefined();
  });

  // The last one lost a digit on its way.
  test.each([Number.NaN, -1, 1.5, 2 ** 53, 9e15, 180_000_000_000])(
    'with the timestamp %s',
    (timestamp) => {
      expect(readDestruction(id, data, timestamp)).toBeUndefined();
    },
  );

  test.each([
    undefined,
    '',
    '1',
    'repeat:abc:1',
    `${id}\n`,
    `${id}0`,
    id.slice(1),
    id.toUpperCase(),
  ])('under the id %j', (jobId) => {
    expect(readDestruction(jobId, data, asked)).toBeUndefined();
  });
});

test('a job with fields that we do not know is still ours, without them', () => {
  const more = { ...data, b: undefined, host: 'elsewhere.example' };
  expect(readDestruction(id, more, asked)).toEqual({
    id,
    roomId: 'room-1',
    batchId: undefined,
    requestedAtMs: asked,
    notAfterMs: asked + day,
  });
});

test('reading never throws, and what it passes is valid', () => {
  const field = fc.oneof(fc.anything(), roomId, time, uuid);
  const anyData = fc.oneof(
    fc.anything(),
    fc.record({ r: field, l: field, t: field, n: field, b: field }, { requiredKeys: [] }),
    fc.record({ r: roomId, t: time, n: field }),
    fc.record({ r: roomId, l: time, b: fc.base64String({ minLength: 20, maxLength: 24 }) }),
  );
  const anyId = fc.oneof(fc.string(), uuid, fc.constant(undefined));
  fc.assert(
    fc.property(anyId, anyData, fc.oneof(time, fc.double()), (jobId, value, timestamp) => {
      const read = readDestruction(jobId, value, timestamp);
      if (read === undefined) return;
      expect(read.id).toMatch(/^[0-9a-f-]{36}$/);
      expect(read.roomId).toMatch(/^[\x20-\x7e]{1,48}$/);
      if (read.batchId !== undefined) expect(read.batchId).toMatch(/^[0-9a-f-]{36}$/);
      for (const ms of [read.requestedAtMs, read.notAfterMs]) {
        expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('lanes: urgent before retries before normal before bulk, and none goes before all', () => {
  const inOrder = Object.entries(lanes).sort(([, a], [, b]) => a - b);
  expect(inOrder.map(([lane]) => lane)).toEqual(['urgent', 'retry', 'normal', 'bulk']);
  // BullMQ takes a job of priority 0 before all that have one.
  expect(Math.min(...Object.values(lanes))).toBeGreaterThan(0);
});

test('each app has a queue of its own, under a name that BullMQ takes', () => {
  expect(queueName(1_400_000_001)).toBe('room-reaper-1400000001');
  expect(queueName(1)).not.toBe(queueName(2));
  expect(queueName(1)).not.toContain(':');
});
