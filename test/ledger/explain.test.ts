import { describe, expect, test } from 'vitest';
import { openBatch } from '../../src/ledger/batches.js';
import { readRoomHistory } from '../../src/ledger/explain.js';
import { recordEnds } from '../../src/ledger/record.js';
import type { SlotRequest } from '../../src/ledger/reserve.js';
import { newId } from '../../src/queue/destruction-id.js';
import { attemptEnd, destructionEnd, makeLine, request, statistics, useLedger } from './fixture.js';

const ledger = useLedger();
const most = { destructions: 5, attempts: 50 };

describe('what the ledger knows of a room', () => {
  test('a room that it never heard of has no destruction', async () => {
    const { sdkAppId } = await makeLine(ledger);
    expect(await readRoomHistory(ledger.database, sdkAppId, 'never', most)).toEqual({
      destructions: [],
      total: 0,
      events: [],
    });
  });

  test('every attempt is there with its end, and the outcome with its statistics and batch', async () => {
    const line = await makeLine(ledger);
    const batch = await openBatch(ledger.database, {
      id: newId(),
      sdkAppId: line.sdkAppId,
      name: 'evening',
      fingerprint: 'f',
      total: 1,
      madeUpName: 'a',
      by: 'ada',
      note: undefined,
    });
    const wish = request({ batchId: batch.id });
    const first = await line.grant(wish);
    const end = attemptEnd({
      ...{ attempt: 1, httpStatus: undefined, errorCode: undefined, requestId: undefined },
      ...{ verdict: 'transient', reason: 'no answer in time', mayHaveActed: true },
      rawAnswer: '{"ErrorCode":0,',
    });
    const id = wish.id;
    const attempted = { destructionId: id, attempt: end, end: undefined };
    await recordEnds(ledger.database, line.sdkAppId, [attempted]);
    const second = await line.grant(wish);
    const success = attemptEnd({ attempt: 2, requestId: 'Id-2', mayHaveActed: false });
    await recordEnds(ledger.database, line.sdkAppId, [
      { destructionId: id, attempt: success, end: destructionEnd('destroyed') },
    ]);

    const history = await readRoomHistory(ledger.database, line.sdkAppId, wish.roomId, most);

    expect(history.total).toBe(1);
    const [known] = history.destructions;
    expect(known).toMatchObject({
      ...{ id, outcome: 'destroyed', errorCode: 0, statistics, statisticsSource: 'response' },
      batch: { id: batch.id, name: 'evening' },
      attemptCount: 2,
      attempts: [
        {
          ...{ attempt: 1, verdict: 'transient', reason: 'no answer in time', mayHaveActed: true },
          rawAnswer: '{"ErrorCode":0,',
        },
        { attempt: 2, verdict: 'destroyed', httpStatus: 200, errorCode: 0, requestId: 'Id-2' },
      ],
    });
    expect(known?.requestedAtMs).toBeCloseTo(wish.requestedAtMs, 0);
    expect(known?.notAfterMs).toBeCloseTo(wish.notAfterMs, 0);
    expect(known?.attempts.map(({ slotAtMs }) => Math.round(slotAtMs))).toEqual(
      [first, second].map(({ slotAtMs }) => Math.round(slotAtMs)),
    );
    expect(known?.attempts[1]?.mayHaveActed).toBe(false);
  });

  test('an attempt without an end may have acted', async () => {
    const line = await makeLine(ledger);
    const wish = request();
    await line.grant(wish);
    const { destructions } = await readRoomHistory(
      ...([ledger.database, line.sdkAppId, wish.roomId, most] as const),
    );
    expect(destructions).toMatchObject([
      { attempts: [{ attempt: 1, endedAtMs: undefined, mayHaveActed: true }] },
    ]);
    expect(destructions[0]?.outcome).toBeUndefined();
    expect(destructions[0]?.statistics).toBeUndefined();
  });

  test('the newest destructions and attempts are given, with the number of all', async () => {
    const line = await makeLine(ledger);
    const now = Date.now();
    const [oldest, older, newest] = [3, 2, 1].map((age) =>
      request({ requestedAtMs: now - age * 1_000 }),
    ) as [SlotRequest, SlotRequest, SlotRequest];
    for (const wish of [newest, oldest, older]) await line.grant(wish);
    for (const worker of ['worker-2', 'worker-3']) await line.grant(newest, { worker });

    const history = await readRoomHistory(ledger.database, line.sdkAppId, 'live-room-42', {
      destructions: 2,
      attempts: 2,
    });

    expect(history.total).toBe(3);
    expect(history.destructions.map(({ id }) => id)).toEqual([newest.id, older.id]);
    expect(history.destructions[0]?.attempts.map(({ attempt }) => attempt)).toEqual([2, 3]);
    expect(history.destructions[0]?.attemptCount).toBe(3);
  });

  test('the destruction that says most of the room is given too, however many came after it', async () => {
    const line = await makeLine(ledger);
    const now = Date.now();
    const wishes = [6, 5, 4, 3, 2, 1].map((age) => request({ requestedAtMs: now - age * 1_000 }));
    const ends = [
      'already_gone',
      'destroyed',
      'already_gone',
      'failed',
      'failed',
      'failed',
    ] as const;
    for (const [index, wish] of wishes.entries()) {
      await line.grant(wish);
      const end = destructionEnd(ends[index] ?? 'failed');
      await recordEnds(ledger.database, line.sdkAppId, [
        { destructionId: wish.id, attempt: attemptEnd(), end },
      ]);
    }
    const read = async (destructions: number) => {
      const { database } = ledger;
      const few = { ...most, destructions };
      const history = await readRoomHistory(database, line.sdkAppId, 'live-room-42', few);
      expect(history.total).toBe(6);
      return history.destructions.map(({ outcome }) => outcome);
    };
    expect(await read(2)).toEqual(['failed', 'failed', 'destroyed']);
    expect(await read(5)).toEqual(['failed', 'failed', 'failed', 'already_gone', 'destroyed']);
  });

  test('rooms of another app by the same name are another matter', async () => {
    const line = await makeLine(ledger);
    await line.grant(request());
    const other = await makeLine(ledger);
    expect(
      await readRoomHistory(ledger.database, other.sdkAppId, 'live-room-42', most),
    ).toMatchObject({ total: 0 });
  });
});
