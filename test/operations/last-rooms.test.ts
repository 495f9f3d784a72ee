/** The last rooms of a batch: which, and why each is not done. */
import { describe, expect, test } from 'vitest';
import { openBatch, readBatches } from '../../src/ledger/batches.js';
import {
  createLastRoomsReader,
  followLastRooms,
  notBeforeDue,
} from '../../src/operations/last-rooms.js';
import { readStatus, statusJson } from '../../src/operations/status.js';
import { newId } from '../../src/queue/destruction-id.js';
import { places, useService } from './service.js';

const text = (pattern: RegExp) => expect.stringMatching(pattern) as string;

test('no time that is left ends before the last room is due', () => {
  const room = { roomId: 'a', summary: '', state: undefined, lastAnswer: undefined };
  const rooms = [
    { ...room, dueAtMs: 9_000 },
    { ...room, dueAtMs: undefined },
  ];
  expect(notBeforeDue(0.4, { rooms, unnamed: 0 }, 1_000)).toBe(8);
  expect(notBeforeDue(10, { rooms, unnamed: 0 }, 1_000)).toBe(10);
  expect(notBeforeDue(undefined, { rooms, unnamed: 0 }, 1_000)).toBeUndefined();
});

describe.each(places)('of a batch on %s', (place) => {
  const app = useService(place);

  async function makeBatch(total: number, destroyed: number) {
    const { database, config } = app.service;
    const { id } = await openBatch(database, {
      ...{ id: newId(), sdkAppId: config.sdkAppId, name: 'evening', madeUpName: 'evening' },
      ...{ fingerprint: newId(), total, by: 'ada', note: undefined },
    });
    await app.sql('update room_reaper.batches set destroyed = $2 where id = $1', [id, destroyed]);
    return id;
  }

  /** As a worker leaves it that has taken it up. */
  const takeUp = (id: string, roomId: string, batchId: string) =>
    app.sql(
      `insert into room_reaper.destructions (id, room_id, batch_id, sdk_app_id, requested_at, not_after)
       values ($1, $2, $3, $4, now(), now() + interval '1 hour')`,
      [id, roomId, batchId, app.service.config.sdkAppId],
    );
  const batches = () =>
    readBatches(app.service.database, app.service.config.sdkAppId, { limit: 10 });

  test('each that is left is named, with why it is not done, when it is due, and its last answer', async () => {
    const batchId = await makeBatch(10, 5);
    const [waits] = await app.add(['waits', 'other'], { batchId });
    const [later] = await app.add(['later'], { batchId, delayMs: 600_000 });
    await app.add(['joined'], { lane: 'urgent' });
    await takeUp(newId(), 'lost', batchId);
    if (waits === undefined || later === undefined) throw new Error('they were added');
    await takeUp(later.id, 'later', batchId);
    await app.sql(
      `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at, reason, http_status)
       values ($1, 1, 'w', now(), now(), now(), 'HTTP 502', 502)`,
      [later.id],
    );
    await app.sql(
      'insert into room_reaper.batch_joins (batch_id, destruction_id, room_id) values ($1, $2, $3)',
      [batchId, newId(), 'joined'],
    );
    const json = statusJson(await readStatus(app.service)) as {
      batches: { lastRooms?: { roomId: string }[] }[];
    };
    const rooms = new Map(json.batches[0]?.lastRooms?.map((room) => [room.roomId, room]));
    expect(Object.fromEntries(rooms)).toMatchObject({
      waits: { state: 'waiting', summary: text(/^waiting: 1 room ahead in the bulk lane/) },
      other: { state: 'waiting', summary: text(/^waiting: 2 rooms ahead/) },
      joined: { state: 'waiting', summary: text(/^waiting: next in the urgent lane/) },
      later: {
        ...{ state: 'delayed', lastAnswer: 'HTTP 502' },
        summary: text(/^not due yet: due in (10 min 00|9 min \d\d) s/),
        dueAt: text(/Z$/),
      },
      lost: { state: null, summary: text(/its job is not on the queue/) },
    });
    expect(rooms.size).toBe(5);
  });

  test('one that is nowhere is counted; of a batch with more left, and of one that has ended, nothing is asked', async () => {
    const batchId = await makeBatch(2, 0);
    await app.add(['a'], { batchId });
    const many = await makeBatch(7, 1);
    await app.add(['b'], { batchId: many });
    await makeBatch(3, 3);
    const read = await createLastRoomsReader(app.service)(await batches());
    expect([...read.keys()]).toEqual([batchId]);
    expect(read.get(batchId)).toMatchObject({ rooms: [{ roomId: 'a' }], unnamed: 1 });
  });

  test('who follows it sees a room leave when it has ended, and where nothing answers, nothing', async () => {
    const batchId = await makeBatch(2, 0);
    const [a] = await app.add(['a', 'b'], { batchId });
    if (a === undefined) throw new Error('it was added');
    const followed = followLastRooms(app.service);
    const progress = async () => {
      const batch = (await batches()).find(({ id }) => id === batchId);
      if (batch === undefined) throw new Error('it was made');
      return batch;
    };
    const named = async () => (await followed.atEnd(await progress()))?.rooms.map((r) => r.roomId);
    expect(await named()).toEqual(['a', 'b']);
    await takeUp(a.id, 'a', batchId);
    await app.sql(
      `update room_reaper.destructions set outcome = 'failed', finished_at = now() where id = $1`,
      [a.id],
    );
    await (await (await app.service.queue()).queue.getJob(a.id))?.remove();
    await app.sql('update room_reaper.batches set failed = 1 where id = $1', [batchId]);
    expect(await named()).toEqual(['b']);
    const silent = followLastRooms({
      ...app.service,
      queue: () => Promise.reject(new Error('away')),
    });
    expect(await silent.atEnd(await progress())).toBeUndefined();
  });
});
