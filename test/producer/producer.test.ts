import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { addDestructions, bringForward } from '../../src/producer/add.js';
import { openProducer, ReaperError, type Producer } from '../../src/producer/index.js';
import { readDepth } from '../../src/queue/depth.js';
import { newId } from '../../src/queue/destruction-id.js';
import { lanes, queueName } from '../../src/queue/job.js';
import { openQueue, type OpenQueue } from '../../src/queue/open.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { startProxy } from '../support/proxy.js';
import { freshRedis, freshSdkAppId, startRedisServer, withRedis } from '../support/servers.js';

const minute = 60_000;
const hour = 60 * minute;

let url: string;
let drop: () => Promise<void>;
let sdkAppId: number;
let producer: Producer;
let opened: OpenQueue;

beforeAll(async () => {
  ({ url, drop } = await freshRedis());
});
beforeEach(async () => {
  sdkAppId = freshSdkAppId();
  producer = await openProducer({ queueUrl: url, sdkAppId });
  opened = await openQueue({
    ...{ sdkAppId, connection: { kind: 'redis', url }, onError: () => undefined },
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await producer.close();
  await opened.close();
});
afterAll(() => drop());

const depth = () => readDepth(opened.queue);

async function jobOf(id: string) {
  const job = await opened.queue.getJob(id);
  if (job === undefined) throw new Error(`no job ${id}`);
  return job;
}

/** When the queue hands out a delayed job, in milliseconds since the epoch; undefined: at once. */
async function dueAt(id: string): Promise<number | undefined> {
  const key = `bull:${queueName(sdkAppId)}:delayed`;
  const score = await withRedis(url, (redis) => redis.zscore(key, id));
  // BullMQ keeps twelve bits behind the time for the order within a millisecond.
  return score === null ? undefined : Math.floor(Number(score) / 0x1000);
}

/** Takes all jobs that wait to their end. */
async function work(process: () => Promise<void>): Promise<void> {
  const worker = await opened.createWorker(process, {
    autorun: false,
    removeOnComplete: { count: 0 },
    removeOnFail: { age: 3_600 },
  });
  const ended = Promise.race([once(worker, 'completed'), once(worker, 'failed')]);
  void worker.run();
  await ended;
  await worker.close();
}

/** What came of it, and how long it took, in milliseconds. */
async function timed<T>(act: () => Promise<T>): Promise<[T, number]> {
  const from = performance.now();
  return [await act(), performance.now() - from];
}

/** From now on the clock runs so much ahead. */
function advance(ms: number): void {
  const now = Date.now() + ms;
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ['Date'], now });
}

describe('destroying one room', () => {
  test('the first room may be asked for as soon as the producer is open', async () => {
    for (let times = 0; times < 5; times++) {
      const fresh = await openProducer({ queueUrl: url, sdkAppId });
      expect(await fresh.destroy(`room-${times}`)).toMatchObject({ status: 'added' });
      await fresh.close();
    }
  });

  test('a room is put on the queue, in the lane of single rooms, due now', async () => {
    const before = Date.now();
    const added = await producer.destroy('live-room-42');
    expect(added).toEqual({
      roomId: 'live-room-42',
      destructionId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/) as string,
      status: 'added',
    });
    const job = await jobOf(added.destructionId);
    expect(job.priority).toBe(lanes.normal);
    expect(job.delay).toBe(0);
    expect(job.data).toEqual({ r: 'live-room-42', l: 24 * hour });
    // Nothing is stored twice: a hundred bytes more a room would be 10 MB for a hundred thousand.
    const stored = await withRedis(url, (redis) =>
      redis.hget(opened.queue.toKey(added.destructionId), 'opts'),
    );
    expect(JSON.parse(stored ?? '')).toEqual({
      de: { id: 'live-room-42' },
      priority: lanes.normal,
    });
    expect(job.timestamp).toBeGreaterThanOrEqual(before);
    expect(job.timestamp).toBeLessThanOrEqual(Date.now());
  });

  test('what is done before it is destroyed goes with the room, and with each of many', async () => {
    const onlyCreatedBefore = new Date(Date.now() - minute);
    const wish = { onlyCreatedBefore, snapshot: true };
    const data = { g: onlyCreatedBefore.getTime(), s: 1 };
    const { destructionId } = await producer.destroy('a', wish);
    expect((await jobOf(destructionId)).data).toEqual({ o: 'a', l: 24 * hour, ...data });
    await producer.destroyMany(['b', 'c'], wish);
    const jobs = await opened.queue.getPrioritized();
    expect(jobs.map((job) => job.data)).toMatchObject([data, data, data]);
  });

  test('of two that ask for a room each gets what it asks for', async () => {
    const at = (ms: number) => ({ onlyCreatedBefore: new Date(Date.now() - ms) });
    const [early, late] = [at(hour), at(minute)];
    const { destructionId } = await producer.destroy('room', early);
    const data = async () => (await jobOf(destructionId)).data;
    await producer.destroy('room', late);
    expect(await data()).toHaveProperty('g', late.onlyCreatedBefore.getTime());
    await producer.destroy('room', { ...early, snapshot: true });
    expect(await data()).toMatchObject({ g: late.onlyCreatedBefore.getTime(), s: 1 });
    // Whoever asks without a time wants the room destroyed, whenever it was created.
    await producer.destroy('room');
    expect(await data()).toEqual({ r: 'room', l: 24 * hour, s: 1 });
    await producer.destroy('room', early);
    expect(await data()).toEqual({ r: 'room', l: 24 * hour, s: 1 });
  });

  test.each<[string, object, RegExp]>([
    ['a time to come', { onlyCreatedBefore: new Date(Date.now() + hour) }, /must be over when/],
    ['seconds', { onlyCreatedBefore: new Date(1_764_000_000) }, /must be a time since 2020/],
    ['a text', { onlyCreatedBefore: '23:00' }, /onlyCreatedBefore must be a Date, got "23:00"/],
    ['no time', { onlyCreatedBefore: new Date(Number.NaN) }, /must be a Date, got no time/],
    ['a snapshot of yes', { snapshot: 'yes' }, /snapshot must be true or false, got "yes"/],
  ])('%s is refused, for one and for many', async (_, options, message) => {
    await expect(producer.destroy('room', options)).rejects.toThrow(message);
    await expect(producer.destroyMany(['room'], options)).rejects.toThrow(message);
    expect(await depth()).toMatchObject({ waiting: 0 });
  });

  test('a delayed room waits, and its deadline counts from when it is due', async () => {
    const before = Date.now();
    const { destructionId } = await producer.destroy('room', { delayMs: 30 * minute });
    const due = (await dueAt(destructionId)) ?? NaN;
    expect(due).toBeGreaterThanOrEqual(before + 30 * minute);
    expect(due).toBeLessThanOrEqual(Date.now() + 30 * minute);
    const { data } = await jobOf(destructionId);
    expect(data.l).toBe(30 * minute + 24 * hour);
  });

  test('a room may be destroyed at a set time; one that is over is now', async () => {
    const at = new Date(Date.now() + 2 * hour);
    const [{ destructionId }, tookMs] = await timed(() => producer.destroy('later', { at }));
    const lateMs = ((await dueAt(destructionId)) ?? NaN) - at.getTime();
    expect(lateMs).toBeGreaterThanOrEqual(-1);
    expect(lateMs).toBeLessThanOrEqual(tookMs + 1);
    const now = await producer.destroy('now', { at: new Date(Date.now() - hour) });
    expect(await dueAt(now.destructionId)).toBeUndefined();
    expect(await depth()).toMatchObject({ waiting: 1, delayed: 1 });
  });

  test('an urgent room goes before everything else that waits', async () => {
    await producer.destroyMany(['bulk']);
    await producer.destroy('normal');
    await producer.destroy('urgent', { urgent: true });
    const jobs = await opened.queue.getJobs(['prioritized'], 0, -1, true);
    expect(jobs.map((job) => job.data.r)).toEqual(['urgent', 'normal', 'bulk']);
  });

  test('the deadline is as long as the producer was told', async () => {
    const other = await openProducer({ queueUrl: url, sdkAppId, deadlineHours: 0.5 });
    const { destructionId } = await other.destroy('room');
    await other.close();
    const { data } = await jobOf(destructionId);
    expect(data.l).toBe(30 * minute);
  });

  test('RoomIds with spaces, colons and every other printable character stay apart', async () => {
    const roomIds = [' ', '  ', ' a', 'a', 'A', 'a:b', 'a: b', ':', '"', '~'.repeat(48), '42'];
    for (const roomId of roomIds)
      expect(await producer.destroy(roomId)).toMatchObject({ roomId, status: 'added' });
    const jobs = await opened.queue.getJobs(['prioritized'], 0, -1, true);
    expect(jobs.map((job) => job.data.r)).toEqual(roomIds);
  });
});

describe('a room that has a pending destruction', () => {
  test('the pending one is recognised, by whatever producer it was asked for', async () => {
    const first = await producer.destroy('room');
    const other = await openProducer({ queueUrl: url, sdkAppId });
    expect(await other.destroy('room')).toEqual({ ...first, status: 'pending' });
    await other.close();
    expect((await depth()).waiting).toBe(1);
  });

  test('many requests at the same instant make one destruction', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => producer.destroy('room')));
    expect(all.filter((each) => each.status === 'added')).toHaveLength(1);
    expect(new Set(all.map((each) => each.destructionId)).size).toBe(1);
  });

  test('the same room of another app is another room', async () => {
    await producer.destroy('room');
    const other = await openProducer({ queueUrl: url, sdkAppId: freshSdkAppId() });
    expect(await other.destroy('room')).toMatchObject({ status: 'added' });
    await other.close();
  });

  test('a more urgent request brings it to its own lane, a less urgent one leaves it', async () => {
    await producer.destroyMany(['room']);
    const { destructionId } = await producer.destroy('room');
    expect((await jobOf(destructionId)).priority).toBe(lanes.normal);
    await producer.destroy('room', { urgent: true });
    expect((await jobOf(destructionId)).priority).toBe(lanes.urgent);
    await producer.destroy('room');
    await producer.destroyMany(['room']);
    expect((await jobOf(destructionId)).priority).toBe(lanes.urgent);
    expect(await depth()).toMatchObject({ waiting: 1, lanes: { urgent: 1, bulk: 0 } });
  });

  test('one that ends at that very moment is no error', async () => {
    const { destructionId } = await producer
      .destroyMany(['room'])
      .then(() => producer.destroy('room', { delayMs: minute }));
    const job = await opened.queue.getJob(destructionId);
    if (job === undefined) throw new Error('the job is not on the queue');
    await job.remove();
    await bringForward(job, lanes.urgent, 0, { notAfterMs: Date.now() + hour });
    expect(await opened.queue.getJob(destructionId)).toBeUndefined();
  });

  test('one that was not read whole is left as it is, and the room is not accepted', async () => {
    const { destructionId } = await producer
      .destroyMany(['room'])
      .then(() => producer.destroy('room'));
    const job = await opened.queue.getJob(destructionId);
    if (job === undefined) throw new Error('the job is not on the queue');
    const { data } = job;
    // As it is read where a byte of the name of a field was altered on the way.
    job.data = {};
    await expect(
      bringForward(job, lanes.urgent, 0, { notAfterMs: Date.now() + 100 * hour }),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await jobOf(destructionId)).data).toEqual(data);
  });

  test('a delayed one that is wanted now is due now', async () => {
    const { destructionId } = await producer.destroy('room', { delayMs: hour });
    expect(await producer.destroy('room')).toMatchObject({ destructionId, status: 'pending' });
    expect(await depth()).toMatchObject({ waiting: 1, delayed: 0 });
  });

  test('a delayed one that is urgently wanted goes to the front', async () => {
    await producer.destroyMany(['bulk']);
    await producer.destroy('room', { delayMs: hour });
    await producer.destroy('room', { urgent: true });
    const jobs = await opened.queue.getJobs(['prioritized'], 0, -1, true);
    expect(jobs.map((job) => job.data.r)).toEqual(['room', 'bulk']);
  });

  test('the earlier time stands', async () => {
    const { destructionId } = await producer.destroy('room', { delayMs: hour });
    const first = (await dueAt(destructionId)) ?? NaN;
    await producer.destroy('room', { delayMs: 2 * hour });
    expect(await dueAt(destructionId)).toBe(first);
    await producer.destroy('room', { delayMs: minute });
    const earlier = (await dueAt(destructionId)) ?? NaN;
    expect(first - earlier).toBeGreaterThan(58 * minute);
    expect(earlier - Date.now()).toBeGreaterThan(0.9 * minute);
  });

  test('it is brought forward again after it was brought forward', async () => {
    const { destructionId } = await producer.destroy('room', { delayMs: hour });
    advance(10 * minute);
    await producer.destroy('room', { delayMs: 30 * minute });
    expect(((await dueAt(destructionId)) ?? NaN) - Date.now()).toBeGreaterThan(29 * minute);
    // It is due in 30 minutes, counted from now, not from when it was first asked for.
    await producer.destroy('room', { delayMs: 25 * minute });
    expect(((await dueAt(destructionId)) ?? NaN) - Date.now()).toBeLessThan(26 * minute);
  });

  test('one that waits for a later retry is due now when it is wanted now', async () => {
    const { destructionId } = await producer.destroy('room');
    // It failed several times over the last twenty minutes and waits ten more.
    advance(20 * minute);
    const worker = await opened.createWorker(
      (job) => {
        job.opts = { ...job.opts, attempts: 100, backoff: { type: 'test' } };
        return Promise.reject(new Error('transient'));
      },
      { autorun: false, settings: { backoffStrategy: () => 10 * minute } },
    );
    const failed = once(worker, 'failed');
    void worker.run();
    await failed;
    await worker.close();
    expect(await depth()).toMatchObject({ delayed: 1, waiting: 0 });
    expect(await producer.destroy('room', { urgent: true })).toMatchObject({ destructionId });
    expect(await depth()).toMatchObject({ delayed: 0, waiting: 1 });
  });

  test('after it has completed, the next request is a new destruction', async () => {
    const first = await producer.destroy('room');
    await work(() => Promise.resolve());
    const second = await producer.destroy('room');
    expect(second.status).toBe('added');
    expect(second.destructionId).not.toBe(first.destructionId);
  });

  test('after it has failed, the next request is a new destruction', async () => {
    const first = await producer.destroy('room');
    await work(() => Promise.reject(new Error('rejected')));
    const second = await producer.destroy('room');
    expect(second.status).toBe('added');
    expect(second.destructionId).not.toBe(first.destructionId);
    expect(await depth()).toMatchObject({ failed: 1, waiting: 1 });
  });
});

describe('destroying many rooms', () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `room-${index}`);

  test('a list goes behind single rooms, in its order', async () => {
    const none = { pending: 0, invalid: 0 };
    expect(await producer.destroyMany(names(3))).toEqual({ requested: 3, added: 3, ...none });
    await producer.destroy('single');
    const jobs = await opened.queue.getJobs(['prioritized'], 0, -1, true);
    expect(jobs.map((job) => job.data.r)).toEqual(['single', ...names(3)]);
  });

  test('any iterable will do: a set, a generator, an async generator', async () => {
    function* some() {
      yield* ['g-1', 'g-2'];
    }
    async function* later() {
      for (const name of ['a-1', 'a-2']) {
        await new Promise((resolve) => setImmediate(resolve));
        yield name;
      }
    }
    for (const rooms of [new Set(['s-1', 's-2']), some(), later()])
      expect(await producer.destroyMany(rooms)).toMatchObject({ requested: 2, added: 2 });
    expect((await depth()).lanes.bulk).toBe(6);
  });

  test('an empty list queues nothing', async () => {
    const nothing = { requested: 0, added: 0, pending: 0, invalid: 0 };
    expect(await producer.destroyMany([])).toEqual(nothing);
  });

  test('more than a call takes go in several, and progress is told after each', async () => {
    const told: number[] = [];
    const counts = await producer.destroyMany(names(950), {
      onProgress: (progress) => told.push(progress.added),
    });
    expect(counts).toEqual({ requested: 950, added: 950, pending: 0, invalid: 0 });
    expect(told).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 950]);
    expect((await depth()).lanes.bulk).toBe(950);
  });

  test('rooms are read as fast as the queue takes them, not all at first', async () => {
    let read = 0;
    let mostAhead = 0;
    function* rooms() {
      for (const name of names(5_000)) {
        read += 1;
        yield name;
      }
    }
    await producer.destroyMany(rooms(), {
      onProgress: ({ requested }) => (mostAhead = Math.max(mostAhead, read - requested)),
    });
    expect(read).toBe(5_000);
    // One call is under way while the rooms of the next are read.
    expect(mostAhead).toBeLessThanOrEqual(100);
  });

  test('rooms that are pending already, from before or from the same list, are not added again', async () => {
    await producer.destroy('room-1');
    const counts = await producer.destroyMany([...names(3), 'room-0', 'room-2']);
    expect(counts).toEqual({ requested: 5, added: 2, pending: 3, invalid: 0 });
    expect((await depth()).waiting).toBe(3);
  });

  test('asking again for the whole list adds nothing', async () => {
    await producer.destroyMany(names(1_500));
    const again = await producer.destroyMany(names(1_500));
    expect(again).toEqual({ requested: 1_500, added: 0, pending: 1_500, invalid: 0 });
  });

  test('a list can be delayed and urgent', async () => {
    await producer.destroyMany(['later'], { delayMs: hour });
    await producer.destroyMany(['urgent'], { urgent: true });
    expect(await depth()).toMatchObject({ delayed: 1, lanes: { urgent: 1, bulk: 0 } });
  });

  test('rooms of a list that are pending are brought forward, as single rooms are', async () => {
    await producer.destroy('room', { delayMs: hour });
    await producer.destroyMany(['room'], { urgent: true });
    expect(await depth()).toMatchObject({ delayed: 0, waiting: 1, lanes: { urgent: 1 } });
  });

  test('the first invalid RoomId rejects; the rooms of the thousands before it are queued', async () => {
    const rooms = [...names(1_000), 'fine', 'not\nfine'];
    await expect(producer.destroyMany(rooms)).rejects.toMatchObject({ code: 'INVALID' });
    expect((await depth()).waiting).toBeGreaterThanOrEqual(1_000);
  });

  test('rooms before the invalid one are queued, each of them, as its description says', async () => {
    await expect(producer.destroyMany(['one', 'two', ''])).rejects.toMatchObject({
      code: 'INVALID',
    });
    expect((await depth()).waiting).toBe(2);
  });

  test('with onInvalid they are told and skipped', async () => {
    const told: string[] = [];
    const counts = await producer.destroyMany(['one', '', 'é', 'two'], {
      onInvalid: (roomId, problem) => told.push(`${roomId}: ${problem}`),
    });
    expect(counts).toEqual({ requested: 4, added: 2, pending: 0, invalid: 2 });
    expect(told).toEqual([
      expect.stringMatching(/^: RoomId must be 1–48 bytes of printable ASCII, got /),
      expect.stringMatching(/^é: RoomId must be /),
    ]);
  });

  test('an iterable that fails rejects with its own error', async () => {
    function* broken() {
      yield 'room';
      throw new Error('the list cannot be read');
    }
    await expect(producer.destroyMany(broken())).rejects.toThrow('the list cannot be read');
  });

  test('one text is no list of rooms: its characters must not be destroyed as rooms', async () => {
    await expect(producer.destroyMany('room')).rejects.toMatchObject({ code: 'INVALID' });
    expect((await depth()).waiting).toBe(0);
  });
});

describe('what is refused', () => {
  test.each<[string, string]>([
    ['no character', ''],
    ['49 characters', 'x'.repeat(49)],
    ['a line break', 'room\n'],
    ['a tab', 'room\t1'],
    ['a NUL', 'room\0'],
    ['DEL', 'room\x7f'],
    ['an umlaut', 'räum'],
    ['an emoji', 'room😀'],
  ])('a RoomId with %s: nothing is queued', async (_what, roomId) => {
    await expect(producer.destroy(roomId)).rejects.toMatchObject({
      name: 'ReaperError',
      code: 'INVALID',
      message: expect.stringMatching(
        /^RoomId must be 1–48 bytes of printable ASCII, got /,
      ) as string,
    });
    expect((await depth()).waiting).toBe(0);
  });

  test.each([[42], [undefined], [null], [{}]])(
    'a RoomId that is no text at all, %j, from a program without types: likewise',
    async (roomId) => {
      await expect(producer.destroy(roomId as string)).rejects.toMatchObject({
        code: 'INVALID',
      });
      expect((await depth()).waiting).toBe(0);
    },
  );

  test.each([
    ['both delayMs and at', { delayMs: 1, at: new Date() }, /delayMs and at must not both/],
    ['a negative delay', { delayMs: -1 }, /delayMs must be 0 or more milliseconds, got -1/],
    ['a delay that is no number', { delayMs: NaN }, /delayMs must be .*, got NaN/],
    ['an endless delay', { delayMs: Infinity }, /delayMs must be .*, got Infinity/],
    ['a time that is none', { at: new Date('soon') }, /^at must be .*, got no time/],
    ['a time that is text', { at: '2026-11-23T02:30:00Z' }, /^at must be a Date/],
    ['a time in milliseconds', { at: Date.now() + 1e6 }, /^at must be a Date/],
    ['a time made of seconds', { at: new Date(1_790_000_000) }, /^at must be .*, got 1970-01-21/],
    ['a time far away', { at: new Date(9e12) }, /^at must be/],
    ['a delay that is text', { delayMs: '1800000' }, /^delayMs must be .*, got "1800000"/],
    ['a delay that no queue can hold', { delayMs: 1e12 }, /^delayMs must be/],
    ['null as a delay', { delayMs: null }, /^delayMs must be .*, got null/],
    ['another word for the delay', { delay: 1_800_000 }, /must be delayMs, at.*, got "delay"/],
    ['another unit', { delaySeconds: 1_800 }, /got "delaySeconds"/],
    ["BullMQ's options", { priority: 1 }, /got "priority"/],
    ['text for a switch', { urgent: 'false' }, /^urgent must be true or false, got "false"/],
    ['a number for the options', 1_800_000, /^options must be an object, got 1800000/],
    ['null for the options', null, /^options must be an object, got null/],
  ])('%s', async (_what, given, message) => {
    const options = given as object;
    await expect(producer.destroy('room', options)).rejects.toThrow(message);
    await expect(producer.destroy('room', options)).rejects.toMatchObject({ code: 'INVALID' });
    await expect(producer.destroyMany(['room'], options)).rejects.toMatchObject({
      code: 'INVALID',
    });
    expect(await depth()).toMatchObject({ waiting: 0, delayed: 0 });
  });

  test.each([
    ['an SDKAppID of 0', { sdkAppId: 0 }, /sdkAppId must be a positive integer, got 0/],
    ['an SDKAppID that is no integer', { sdkAppId: 1.5 }, /sdkAppId must be .*, got 1\.5/],
    ['no time at all', { deadlineHours: 0 }, /deadlineHours must be above 0, .*got 0/],
    ['a deadline that is text', { deadlineHours: '24' }, /deadlineHours must be .*got "24"/],
    ['another scheme', { queueUrl: 'http://localhost' }, /queueUrl must be redis:/],
    ['no URL', { queueUrl: undefined }, /queueUrl must be redis:/],
    [
      'a database with a name',
      { queueUrl: 'redis://h/mydb' },
      /queueUrl must be a URL with the number of/,
    ],
    ['a port that is none', { queueUrl: 'redis://h:99999' }, /queueUrl must be redis:/],
    ['a % in a password', { queueUrl: 'redis://:1%@h' }, /queueUrl must be .* as %25/],
    ['Sentinels without a name', { queueUrl: 'redis-sentinel://h,h2' }, /with the name of the/],
    ['a prefix with a space', { prefix: 'a b' }, /prefix must be .*, got "a b"/],
    ['a prefix that is none', { prefix: 1 }, /prefix must be .*, got 1/],
    ['a directory that is none', { dataDir: 1 }, /dataDir must be/],
    ['a listener that is none', { onError: 'log' }, /onError must be a function, got "log"/],
    [
      'an option that is not known',
      { redisUrl: 'redis://h' },
      /must be queueUrl, .*got "redisUrl"/,
    ],
  ])('%s', async (_what, options, message) => {
    const opening = openProducer({ queueUrl: url, sdkAppId, ...(options as object) });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toBeInstanceOf(ReaperError);
  });

  test.each([[undefined], [null], [42], [{ 0: 'room' }]])(
    'rooms that are no list, %j: likewise',
    async (roomIds) => {
      await expect(producer.destroyMany(roomIds as never)).rejects.toMatchObject({
        code: 'INVALID',
      });
    },
  );

  test('a listener of many rooms that is no function, and one that is not known', async () => {
    const many = (options: object) => producer.destroyMany(['room'], options);
    await expect(many({ onInvalid: true })).rejects.toThrow(/^onInvalid must be a function/);
    await expect(many({ onprogress: () => undefined })).rejects.toThrow(/got "onprogress"/);
    expect((await depth()).waiting).toBe(0);
  });
});

describe('a Redis that is away', () => {
  /** While its disk is busy Redis puts the writing off, for up to two seconds. */
  async function writtenToFile(redisUrl: string): Promise<void> {
    await expect
      .poll(() => withRedis(redisUrl, (redis) => redis.info('persistence')))
      .toMatch(/^aof_buffer_length:0\r$[^]*^aof_pending_bio_fsync:0\r$/m);
  }

  test('opening says so at once, without its password, and what to do', async () => {
    const connecting = vi.spyOn(Socket.prototype, 'connect');
    const opening = openProducer({ queueUrl: 'redis://user:secret@127.0.0.1:1', sdkAppId });
    await expect(opening).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1.* cannot be used: ECONNREFUSED; /) as string,
    });
    await expect(opening).rejects.not.toThrow(/secret/);
    expect(connecting).toHaveBeenCalledTimes(1);
    connecting.mockRestore();
  });

  test('a producer says so and does not wait for it, and works again when Redis is back', async () => {
    const server = await startRedisServer();
    const errors: Error[] = [];
    const mine = await openProducer({
      ...{ queueUrl: server.url, sdkAppId, onError: (error: Error) => errors.push(error) },
    });
    try {
      await mine.destroy('before');
      await writtenToFile(server.url);
      await server.kill();
      const destroying = mine.destroy('room');
      await expect(destroying).rejects.toMatchObject({
        name: 'ReaperError',
        code: 'UNAVAILABLE',
        message: expect.stringMatching(/did not take the rooms: .*; ask again/) as string,
      });
      await expect(mine.destroyMany(['room'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect.poll(() => errors.length).toBeGreaterThan(0);

      await server.restart();
      await expect
        .poll(() => mine.destroy('room').then((added) => added.status), {
          timeout: 10_000,
          interval: 100,
        })
        .toBe('added');
      // What was accepted before is still there: the shipped settings write it to disk.
      expect(await mine.destroy('before')).toMatchObject({ status: 'pending' });
    } finally {
      await mine.close();
      await server.stop();
    }
  });

  test('a pending room that could not be brought forward is said to be unavailable, not accepted', async () => {
    const server = await startRedisServer();
    const mine = await openQueue({
      ...{ sdkAppId, connection: { kind: 'redis', url: server.url }, failFast: true },
      onError: () => undefined,
    });
    try {
      const roomId = 'room';
      const [added] = await addDestructions(
        mine.queue,
        [{ id: newId(), roomId, batchId: undefined, requestedAtMs: 1, notAfterMs: 2 }],
        { lane: 'bulk', delayMs: 0 },
      );
      const job = await mine.queue.getJob(added?.destructionId ?? '');
      if (job === undefined) throw new Error('the job is not on the queue');
      await server.kill();
      await expect(
        bringForward(job, lanes.urgent, 0, { notAfterMs: Date.now() }),
      ).rejects.toMatchObject({
        name: 'ReaperError',
        code: 'UNAVAILABLE',
      });
    } finally {
      await mine.close();
      await server.stop();
    }
  });

  test('opening does not hang on one that takes the connection and says nothing', async () => {
    const proxy = await startProxy(Number(new URL(url).port));
    await proxy.set({ kind: 'silence' });
    const opening = openProducer({ queueUrl: `redis://127.0.0.1:${proxy.port}`, sdkAppId });
    await expect(opening).rejects.toMatchObject({ name: 'ReaperError', code: 'UNAVAILABLE' });
    await proxy.close();
  });

  test('one that goes away between two questions of the opening is said to be unavailable', async () => {
    const proxy = await startProxy(Number(new URL(url).port));
    // The first connection checks that Redis is there; the ones after it meet a reset.
    await proxy.refuseAfter(1);
    const opening = openProducer({
      ...{ queueUrl: `redis://127.0.0.1:${proxy.port}`, sdkAppId },
    });
    await expect(opening).rejects.toMatchObject({
      ...{ name: 'ReaperError', code: 'UNAVAILABLE' },
    });
    await proxy.close();
  });

  test('closing does not hang while Redis is away', async () => {
    const server = await startRedisServer();
    const mine = await openProducer({ queueUrl: server.url, sdkAppId });
    await server.stop();
    await mine.close();
  });
});

describe('closing', () => {
  test('lets the process exit', async () => {
    const script = `
      import { openProducer } from 'room-reaper/producer';
      const [queueUrl, sdkAppId] = process.argv.slice(2);
      const producer = await openProducer({ queueUrl, sdkAppId: Number(sdkAppId) });
      const added = await producer.destroy('room');
      await producer.close();
      console.log(added.status);
    `;
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-', url, String(sdkAppId)],
      // The package under its own name, from dist/.
      {
        cwd: fileURLToPath(new URL('../../', import.meta.url)),
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    child.stdin.end(script);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    onTestFinished(() => void child.kill('SIGKILL'));
    const [code] = (await once(child, 'close')) as [number | null];
    expect({ code, said }).toEqual({ code: 0, said: 'added\n' });
    expect((await depth()).waiting).toBe(1);
  });

  test('a closed producer refuses rooms', async () => {
    const other = await openProducer({ queueUrl: url, sdkAppId });
    await other.close();
    await expect(other.destroy('room')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('on the embedded database', () => {
  test('rooms are queued, recognised and brought forward as on Redis', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'rr-'));
    await makeDataDirectory(dataDir);
    const options = { queueUrl: 'embedded', sdkAppId, dataDir };
    const mine = await openProducer(options);
    const first = await mine.destroy('a: room', { delayMs: hour });
    expect(first.status).toBe('added');
    expect(await mine.destroyMany(['a: room', 'b', 'b'])).toEqual({
      ...{ requested: 3, added: 1, pending: 2, invalid: 0 },
    });
    await mine.close();

    // What was accepted outlives the process.
    const again = await openProducer(options);
    const urgently = await again.destroy('a: room', { urgent: true });
    expect(urgently).toEqual({ ...first, status: 'pending' });
    await expect(again.destroy('')).rejects.toMatchObject({ code: 'INVALID' });
    await again.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
});
