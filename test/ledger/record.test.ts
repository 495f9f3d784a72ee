import { beforeAll, describe, expect, test } from 'vitest';
import { openBatch, readBatches } from '../../src/ledger/batches.js';
import { outcomes, type Outcome } from '../../src/destruction.js';
import { recordEnds, type RecordItem } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import type { SlotRequest } from '../../src/ledger/reserve.js';
import { saveSnapshots } from '../../src/ledger/snapshots.js';
import {
  attemptEnd,
  destructionEnd,
  makeLine,
  request,
  requests,
  statistics,
  useLedger,
  type Line,
} from './fixture.js';

const ledger = useLedger();
let line: Line;
beforeAll(async () => {
  line = await makeLine(ledger);
});

const record = (...items: RecordItem[]) => recordEnds(ledger.database, 1_400_000_001, items);

/** A destruction whose first attempt is on its way. */
async function sent(changes: Partial<SlotRequest> = {}): Promise<string> {
  const wanted = request(changes);
  await line.grant(wanted);
  return wanted.id;
}

function ended(id: string, outcome: Outcome): RecordItem {
  return { destructionId: id, attempt: attemptEnd(), end: destructionEnd(outcome) };
}

async function destruction(id: string) {
  const [row] = await ledger.sql(
    `select outcome, error_code, error_info, request_id, attempts, finished_at is not null as finished,
            total_viewers::text, total_gifts_sent::text, total_gift_coins::text,
            total_unique_gift_senders::text, total_likes_received::text, statistics_source
       from room_reaper.destructions where id = $1`,
    [id],
  );
  return row;
}

async function attempts(id: string) {
  return ledger.sql(
    'select * from room_reaper.attempts where destruction_id = $1 order by attempt',
    [id],
  );
}

async function newBatch(total: number): Promise<string> {
  const id = newId();
  await openBatch(ledger.database, {
    ...{
      id,
      sdkAppId: line.sdkAppId,
      name: undefined,
      madeUpName: 'calm-otter-17',
      by: 'ada',
      note: undefined,
      fingerprint: id,
      total,
    },
  });
  return id;
}

async function counters(batchId: string): Promise<Record<string, number>> {
  const [batch] = await readBatches(ledger.database, line.sdkAppId, {
    idOrName: batchId,
    limit: 1,
  });
  if (batch === undefined) throw new Error('no such batch');
  return Object.fromEntries(
    outcomes.filter((name) => batch[name] !== 0).map((name) => [name, batch[name]]),
  );
}

describe('ends of attempts', () => {
  test('an attempt that ended keeps all that is known of it', async () => {
    const id = await sent();
    const end = attemptEnd({
      sentAtMs: 1_700_000_000_123,
      endedAtMs: 1_700_000_000_456,
      httpStatus: 502,
      errorCode: undefined,
      verdict: 'transient',
      reason: 'HTTP 502',
      mayHaveActed: true,
      requestId: undefined,
    });
    expect(await record({ destructionId: id, attempt: end, end: undefined })).toEqual([undefined]);
    expect(await attempts(id)).toMatchObject([
      {
        attempt: 1,
        sent_at: new Date(1_700_000_000_123),
        ended_at: new Date(1_700_000_000_456),
        http_status: 502,
        error_code: null,
        verdict: 'transient',
        reason: 'HTTP 502',
        may_have_acted: true,
        request_id: null,
      },
    ]);
    expect(await destruction(id)).toMatchObject({ outcome: null, finished: false });
  });

  test('an attempt whose connection was never written to has no time of sending', async () => {
    const id = await sent();
    const end = attemptEnd({ sentAtMs: undefined, verdict: 'transient', mayHaveActed: false });
    await record({ destructionId: id, attempt: end, end: undefined });
    expect(await attempts(id)).toMatchObject([{ sent_at: null, may_have_acted: false }]);
  });
});

describe('outcomes', () => {
  test('a destroyed room has its statistics, and they say that the answer brought them', async () => {
    const id = await sent();
    const end = destructionEnd('destroyed', { requestId: 'r-1', errorInfo: '' });
    const item = { destructionId: id, attempt: attemptEnd(), end };
    expect(await record(item)).toEqual(['destroyed']);
    expect(await destruction(id)).toEqual({
      outcome: 'destroyed',
      error_code: 0,
      error_info: '',
      request_id: 'r-1',
      attempts: 1,
      finished: true,
      total_viewers: '1000',
      total_gifts_sent: '20',
      total_gift_coins: '3000',
      total_unique_gift_senders: '4',
      total_likes_received: '50000',
      statistics_source: 'response',
    });
  });

  test.each<[outcome: Outcome, source: string | null]>([
    ['destroyed_statistics_lost', 'lost'],
    ['already_gone', 'none'],
    ['rejected', null],
    ['failed', null],
    ['expired', null],
    ['cancelled', null],
  ])('%s has no statistics, and its source is %s', async (outcome, source) => {
    const id = await sent();
    expect(await record(ended(id, outcome))).toEqual([outcome]);
    expect(await destruction(id)).toMatchObject({
      outcome,
      total_viewers: null,
      total_likes_received: null,
      statistics_source: source,
    });
  });

  test('a destruction may end without an attempt', async () => {
    const wanted = request({ notAfterMs: Date.now() - 1 });
    await line.reserve([wanted]);
    const { id: destructionId } = wanted;
    await record({ destructionId, attempt: undefined, end: destructionEnd('expired') });
    expect(await destruction(destructionId)).toMatchObject({ outcome: 'expired', attempts: 0 });
  });

  test('all attempts count, those of other workers too', async () => {
    const wanted = request();
    await line.grant(wanted, { worker: 'worker-that-died' });
    await line.grant(wanted);
    const { id: destructionId } = wanted;
    const end = destructionEnd('destroyed_statistics_lost');
    await record({ destructionId, attempt: attemptEnd({ attempt: 2 }), end });
    expect(await destruction(destructionId)).toMatchObject({ attempts: 2 });
    expect(await attempts(destructionId)).toMatchObject([
      { ended_at: null },
      { verdict: 'destroyed' },
    ]);
  });

  test('statistics beyond 2^53 are saved to the last digit', async () => {
    const id = await sent();
    const big = {
      totalViewers: 2n ** 53n + 1n,
      totalGiftsSent: 2n ** 63n - 1n,
      totalGiftCoins: 9_007_199_254_740_993n,
      totalUniqueGiftSenders: 0n,
      totalLikesReceived: 9_223_372_036_854_775_806n,
    };
    const end = destructionEnd('destroyed', { statistics: big });
    await record({ destructionId: id, attempt: attemptEnd(), end });
    expect(await destruction(id)).toMatchObject({
      total_viewers: '9007199254740993',
      total_gifts_sent: '9223372036854775807',
      total_gift_coins: '9007199254740993',
      total_unique_gift_senders: '0',
      total_likes_received: '9223372036854775806',
    });
  });
});

describe('a second outcome', () => {
  const withoutStatistics = outcomes.filter((each) => each !== 'destroyed');
  const pairs = outcomes.flatMap((first) => withoutStatistics.map((second) => [first, second]));

  test.each(pairs as [Outcome, Outcome][])(
    'the first outcome stands: after %s, %s changes nothing',
    async (first, second) => {
      const batchId = await newBatch(1);
      const id = await sent({ batchId });
      await record(ended(id, first));
      const before = await destruction(id);
      expect(await record(ended(id, second))).toEqual([first]);
      expect(await destruction(id)).toEqual(before);
      expect(await counters(batchId)).toEqual({ [first]: 1 });
    },
  );

  test.each(withoutStatistics)(
    'statistics that arrived are never lost: they replace %s, and the batch follows',
    async (first) => {
      const batchId = await newBatch(1);
      const id = await sent({ batchId });
      await record(ended(id, first));
      expect(await counters(batchId)).toEqual({ [first]: 1 });
      expect(await record(ended(id, 'destroyed'))).toEqual(['destroyed']);
      expect(await destruction(id)).toMatchObject({
        outcome: 'destroyed',
        total_viewers: '1000',
        statistics_source: 'response',
      });
      expect(await counters(batchId)).toEqual({ destroyed: 1 });
    },
  );

  test('statistics once saved stand: a second success does not replace them', async () => {
    const batchId = await newBatch(1);
    const id = await sent({ batchId });
    await record(ended(id, 'destroyed'));
    const other = destructionEnd('destroyed', { statistics: { ...statistics, totalViewers: 7n } });
    await record({ destructionId: id, attempt: attemptEnd(), end: other });
    expect(await destruction(id)).toMatchObject({ total_viewers: '1000' });
    expect(await counters(batchId)).toEqual({ destroyed: 1 });
  });

  test('recording the same again changes nothing', async () => {
    const batchId = await newBatch(1);
    const id = await sent({ batchId });
    const item = ended(id, 'destroyed');
    await record(item);
    const before = [await destruction(id), await attempts(id), await counters(batchId)];
    expect(await record(item)).toEqual(['destroyed']);
    expect([await destruction(id), await attempts(id), await counters(batchId)]).toEqual(before);
  });
});

describe('many at once', () => {
  test('one statement records many, and answers for each in the order given', async () => {
    const [one, two] = [await newBatch(100), await newBatch(100)];
    const wanted = [...requests(100, { batchId: one }), ...requests(100, { batchId: two })];
    await line.reserve(wanted);
    const outcomeOf = (index: number) => outcomes[index % 3] ?? 'destroyed';
    const items = wanted.map((each, index) => ended(each.id, outcomeOf(index)));
    expect(await record(...items)).toEqual(items.map((_, index) => outcomeOf(index)));
    expect(await counters(one)).toEqual({
      destroyed: 34,
      destroyed_statistics_lost: 33,
      already_gone: 33,
    });
    expect(await counters(two)).toEqual({
      destroyed: 33,
      destroyed_statistics_lost: 34,
      already_gone: 33,
    });
  });

  test('an attempt and, in the same statement, the next one with the outcome', async () => {
    const wanted = request();
    await line.grant(wanted);
    const { id: destructionId } = wanted;
    const failed = attemptEnd({ verdict: 'transient', httpStatus: 502, mayHaveActed: false });
    const first = { destructionId, attempt: failed, end: undefined };
    await record(first);
    await line.grant(wanted);
    const end = destructionEnd('destroyed');
    expect(
      await record(first, { destructionId, attempt: attemptEnd({ attempt: 2 }), end }),
    ).toEqual(['destroyed', 'destroyed']);
    expect(await attempts(destructionId)).toMatchObject([
      { verdict: 'transient' },
      { verdict: 'destroyed' },
    ]);
    expect(await destruction(destructionId)).toMatchObject({ attempts: 2 });
  });

  test('several workers that end rooms of one batch, in any order, count each once', async () => {
    const batchId = await newBatch(60);
    const wanted = requests(60, { batchId });
    await line.reserve(wanted);
    const databases = await Promise.all(Array.from({ length: 3 }, () => ledger.another()));
    // All three were told of each room: it was in several hands at once.
    const tellings = databases.map((_, worker) => {
      const outcome = (['already_gone', 'destroyed', 'failed'] as const)[worker] ?? 'failed';
      const items = wanted.map((each) => ended(each.id, outcome));
      return worker === 1 ? items.reverse() : items;
    });
    await Promise.all(
      databases.map(async (database, worker) => {
        const items = tellings[worker] ?? [];
        for (let at = 0; at < items.length; at += 7)
          await recordEnds(database, 1_400_000_001, items.slice(at, at + 7));
      }),
    );
    expect(await counters(batchId)).toEqual({ destroyed: 60 });
  });
});

describe('a snapshot', () => {
  const taken = (destructionId: string, takenAtMs: number, totalViewers: bigint) => ({
    ...{ destructionId, takenAtMs, statistics: { ...statistics, totalViewers } },
  });
  const sourceOf = async (id: string) => {
    const [row] = await ledger.sql(
      `select statistics_source as source, total_viewers::text as viewers,
              extract(epoch from snapshot_at)::float8 * 1000 as at
         from room_reaper.destructions where id = $1`,
      [id],
    );
    return row;
  };

  test('counts where the statistics were lost on the way: the newest, with its time', async () => {
    const id = await sent();
    await saveSnapshots(ledger.database, [taken(id, 1_000, 1n), taken(id, 3_000, 3n)]);
    await saveSnapshots(ledger.database, [taken(id, 2_000, 2n)]);
    await record(ended(id, 'destroyed_statistics_lost'));
    expect(await sourceOf(id)).toEqual({ source: 'snapshot', viewers: '3', at: 3_000 });
    // What a second worker was told takes its place.
    await record(ended(id, 'destroyed'));
    expect(await sourceOf(id)).toEqual({ source: 'response', viewers: '1000', at: null });
  });

  test.each<[Outcome, string | null]>([
    ['destroyed', 'response'],
    ['already_gone', 'none'],
    ['failed', null],
    ['recreated', null],
  ])('is nothing to %s', async (outcome, source) => {
    const id = await sent();
    await saveSnapshots(ledger.database, [taken(id, 1_000, 7n)]);
    await record(ended(id, outcome));
    const viewers = outcome === 'destroyed' ? '1000' : null;
    expect(await sourceOf(id)).toEqual({ source, viewers, at: null });
  });
});

describe('the table refuses what is half right', () => {
  const insert = (outcome: string | null, source: string | null) =>
    ledger.sql(
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after, outcome, statistics_source)
       values ($1, 1, 'room', now(), now(), $2, $3)`,
      [newId(), outcome, source],
    );

  test.each<[string, string | null, string | null]>([
    ['destroyed without a source of its statistics', 'destroyed', null],
    ['destroyed whose statistics are lost', 'destroyed', 'lost'],
    ['gone with statistics from an answer', 'already_gone', 'response'],
    ['rejected with statistics from an answer', 'rejected', 'response'],
    ['a word that is no outcome', 'gone', null],
  ])('%s', async (_rule, outcome, source) => {
    await expect(insert(outcome, source)).rejects.toThrow(/violates check constraint/);
  });

  test('open with statistics from an answer', async () => {
    await expect(insert(null, 'response')).rejects.toThrow(/violates check constraint/);
  });

  test('what fails in a statement leaves nothing of it behind', async () => {
    const [id, broken] = [await sent(), await sent()];
    const wrong = { ...ended(broken, 'destroyed'), end: destructionEnd('vanished' as Outcome) };
    await expect(record(ended(id, 'destroyed'), wrong)).rejects.toThrow(/check constraint/);
    expect(await destruction(id)).toMatchObject({ outcome: null });
    expect(await attempts(id)).toMatchObject([{ ended_at: null }]);
  });
});

describe('a destruction whose row a restored database has lost', () => {
  test('is made anew, with its outcome and its statistics', async () => {
    const id = newId();
    const item = ended(id, 'destroyed');
    const [outcome] = await record({
      ...item,
      destruction: {
        roomId: 'room: lost',
        batchId: undefined,
        requestedAtMs: Date.now(),
        notAfterMs: Date.now() + 3_600_000,
        onlyCreatedBeforeMs: 1_700_000_000_123,
      },
    });
    expect(
      await ledger.sql(
        `select extract(epoch from only_created_before)::float8 * 1000 as guard
           from room_reaper.destructions where id = $1`,
        [id],
      ),
    ).toEqual([{ guard: 1_700_000_000_123 }]);
    expect(outcome).toBe('destroyed');
    expect(await destruction(id)).toMatchObject({
      outcome: 'destroyed',
      statistics_source: 'response',
      total_viewers: item.end?.statistics?.totalViewers.toString(),
    });
  });

  test('without what makes a row, says that nothing was recorded', async () => {
    expect(await record(ended(newId(), 'destroyed'))).toEqual([undefined]);
  });
});
