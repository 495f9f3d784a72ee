/** Which destruction an event of a room belongs to (migrations/0019_attribution.sql). */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  finishBatches,
  joinDestructions,
  markEnqueued,
  openBatch,
  readBatches,
} from '../../src/ledger/batches.js';
import type { Database } from '../../src/ledger/database.js';
import { summarizeBatch } from '../../src/ledger/report.js';
import { recordEnds } from '../../src/ledger/record.js';
import type { RoomEvent } from '../../src/destruction.js';
import { readRoomEvents, takeRoomEvents } from '../../src/ledger/room-events.js';
import { beat } from '../../src/ledger/workers.js';
import { newId } from '../../src/queue/destruction-id.js';
import { variables } from '../../src/variables.js';
import { freshSdkAppId } from '../support/servers.js';
import { attemptEnd, destructionEnd, makeLine, request, statistics, useLedger } from './fixture.js';

const ledger = useLedger();
const sdkAppId = freshSdkAppId();
const [second, minute, hour] = [1_000, 60_000, 3_600_000];
const baseMs = Date.UTC(2026, 10, 20);
let client: pg.Client;
let rooms = 0;

beforeAll(async () => {
  client = new pg.Client({ connectionString: ledger.url });
  await client.connect();
});
afterAll(() => client.end());

const sql = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
  (await client.query<Row>(text, values)).rows;

type Ended = 'destroyed' | 'destroyed_statistics_lost' | 'already_gone' | 'failed';

interface Attempt {
  /** When it was sent, in milliseconds of the history. */
  at: number;
  /** `killed`: nobody recorded its end. */
  verdict: 'destroyed' | 'timeout' | 'gone' | 'killed';
}

interface Told {
  id: string;
  outcome: Ended;
  requestedAt: number;
  attempts: Attempt[];
  finishedAt: number;
}

const destruction = (
  outcome: Ended,
  attempts: Attempt[],
  { requestedAt = (attempts[0]?.at ?? 0) - second, finishedAt = 0 } = {},
): Told => {
  const last = attempts.at(-1)?.at ?? finishedAt;
  return { id: newId(), outcome, attempts, requestedAt, finishedAt: Math.max(finishedAt, last) };
};

const event = (at: number, viewers: number | undefined): RoomEvent => ({
  ...{ roomId: '', endedAtMs: at, endedBy: 'user', operator: undefined },
  statistics: viewers === undefined ? undefined : { ...statistics, totalViewers: BigInt(viewers) },
});

/** A room of its own, and what may come for it, in any order. */
function newRoom() {
  const roomId = `room-${(rooms += 1)}`;
  const at = (ms: number) => new Date(baseMs + ms);
  return {
    roomId,
    async begin(told: Told) {
      await sql(
        `insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after) values ($1, $2, $3, $4, $4)`,
        [told.id, sdkAppId, roomId, at(told.requestedAt)],
      );
      for (const [index, { at: sentAt, verdict }] of told.attempts.entries()) {
        const isEnded = verdict !== 'killed';
        await sql(
          `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at, verdict, may_have_acted)
           values ($1, $2, 'w', $3, $4, $5, $6, $7)`,
          [
            ...[told.id, index + 1, at(sentAt), isEnded ? at(sentAt) : null],
            isEnded ? at(sentAt + 100) : null,
            isEnded ? (verdict === 'timeout' ? 'transient' : verdict) : null,
            isEnded ? verdict === 'timeout' : null,
          ],
        );
      }
    },
    async end({ id, outcome, finishedAt }: Told) {
      const own = outcome === 'destroyed' ? 1 : null;
      const source = {
        destroyed: 'response',
        destroyed_statistics_lost: 'lost',
        already_gone: 'none',
      };
      await sql(
        `update room_reaper.destructions set outcome = $2, finished_at = $3, statistics_source = $4,
           total_viewers = $5, total_gifts_sent = $5, total_gift_coins = $5, total_unique_gift_senders = $5,
           total_likes_received = $5 where id = $1`,
        [id, outcome, at(finishedAt), outcome === 'failed' ? null : source[outcome], own],
      );
    },
    take: (...events: RoomEvent[]) =>
      takeRoomEvents(
        ledger.database,
        sdkAppId,
        events.map((each) => ({ ...each, roomId, endedAtMs: baseMs + each.endedAtMs })),
      ),
    /** By event: the destruction that it belongs to. */
    async belongings(): Promise<Map<number, string | undefined>> {
      const found = await readRoomEvents(ledger.database, sdkAppId, roomId, 1_000);
      return new Map(found.map((each) => [each.endedAtMs - baseMs, each.destructionId]));
    },
    /** By destruction: where its statistics are from, and how many viewers it had. */
    async sources(): Promise<Map<string, string>> {
      const found = await sql<{ id: string; told: string }>(
        `select id, coalesce(statistics_source, '-') || ' ' || coalesce(total_viewers::text, '-') as told
           from room_reaper.destructions where sdk_app_id = $1 and room_id = $2`,
        [sdkAppId, roomId],
      );
      return new Map(found.map(({ id, told }) => [id, told]));
    },
  };
}

const lost = (at: number) =>
  destruction('destroyed_statistics_lost', [
    { at, verdict: 'timeout' },
    { at: at + 9 * second, verdict: 'gone' },
  ]);

describe.each(['event first', 'outcome first'])('with the %s', (order) => {
  async function played(told: Told[], events: RoomEvent[]) {
    const room = newRoom();
    for (const each of told) await room.begin(each);
    if (order === 'event first') await room.take(...events);
    for (const each of told) await room.end(each);
    if (order === 'outcome first') await room.take(...events);
    return room;
  }

  test('an event fills the destruction whose lost request ended the room', async () => {
    const told = lost(hour);
    const room = await played([told], [event(hour + 300, 42)]);
    expect(await room.sources()).toEqual(new Map([[told.id, 'webhook 42']]));
    expect(await room.belongings()).toEqual(new Map([[hour + 300, told.id]]));
  });

  test.each([
    ['a request that a killed worker sent', 'killed', 0, true],
    ['5 s before the request, by another clock', 'timeout', -5 * second, true],
    ['earlier than that', 'timeout', -5 * second - 1, false],
    ['a timeout and a minute after it', 'timeout', 68 * second, true],
    ['later than that', 'timeout', 68 * second + 1, false],
  ] as const)('%s: it fills or it does not', async (_, verdict, after, fills) => {
    const gone = { at: hour + 2 * minute, verdict: 'gone' as const };
    const told = destruction('destroyed_statistics_lost', [{ at: hour, verdict }, gone]);
    const room = await played([told], [event(hour + after, 7)]);
    expect((await room.sources()).get(told.id)).toBe(fills ? 'webhook 7' : 'lost -');
  });

  test.each([
    ['just before', -1, true],
    ['a day before', -24 * hour, true],
    ['longer than a day before', -24 * hour - 1, false],
    ['at the very instant, or after', 0, false],
  ])('a room that was found gone had ended %s its first request', async (_, after, fills) => {
    const told = destruction('already_gone', [{ at: 48 * hour, verdict: 'gone' }]);
    const looked = destruction('already_gone', [], { finishedAt: 48 * hour });
    for (const each of [told, looked]) {
      const room = await played([each], [event(48 * hour + after, 7)]);
      expect((await room.sources()).get(each.id)).toBe(fills ? 'webhook 7' : 'none -');
    }
  });

  test('of a room that was destroyed with statistics it is used up, and counts nowhere else', async () => {
    const told = destruction('destroyed', [{ at: hour, verdict: 'destroyed' }]);
    const again = destruction('already_gone', [{ at: 2 * hour, verdict: 'gone' }]);
    const room = await played([told, again], [event(hour + 50, 9)]);
    expect(await room.sources()).toEqual(
      new Map([
        [told.id, 'response 1'],
        [again.id, 'none -'],
      ]),
    );
    expect(await room.belongings()).toEqual(new Map([[hour + 50, told.id]]));
  });

  test('of one that ended two lives of the room that of its answer is used up; the other fills a later one', async () => {
    // The answer of the first is lost; the room is created again, and ended by the second.
    const told = destruction('destroyed', [
      { at: hour, verdict: 'timeout' },
      { at: hour + 20 * second, verdict: 'destroyed' },
    ]);
    const again = destruction('already_gone', [{ at: 2 * hour, verdict: 'gone' }]);
    const events = [event(hour + 50, 8), event(hour + 20 * second + 50, 1)];
    const room = await played([told, again], events);
    expect(await room.sources()).toEqual(
      new Map([
        [told.id, 'response 1'],
        [again.id, 'webhook 8'],
      ]),
    );
  });

  test('of two that may have ended the room it is of the nearer one', async () => {
    const [destroyed, other] = [
      destruction('destroyed', [{ at: hour, verdict: 'destroyed' }]),
      lost(hour + 20 * second),
    ];
    const room = await played([destroyed, other], [event(hour + 21 * second, 9)]);
    expect((await room.sources()).get(other.id)).toBe('webhook 9');
  });

  test('of several that found the room gone it is of the oldest', async () => {
    const [older, newer] = [2, 3].map((hours) =>
      destruction('already_gone', [{ at: hours * hour, verdict: 'gone' }]),
    ) as [Told, Told];
    const room = await played([newer, older], [event(hour, 5)]);
    expect((await room.sources()).get(older.id)).toBe('webhook 5');
    expect((await room.sources()).get(newer.id)).toBe('none -');
  });

  test('an event without statistics belongs and fills nothing, until a repeat has them', async () => {
    const told = lost(hour);
    const room = await played([told], [event(hour, undefined)]);
    expect((await room.sources()).get(told.id)).toBe('lost -');
    expect((await room.belongings()).get(hour)).toBe(told.id);
    expect(await room.take(event(hour, undefined))).toEqual(['repeated']);
    expect(await room.take(event(hour, 3), event(hour, 4))).toEqual(['completed', 'repeated']);
    expect((await room.sources()).get(told.id)).toBe('webhook 3');
  });

  test('a snapshot gives way to an event, and comes back where the event is of another', async () => {
    const told = lost(hour);
    const room = newRoom();
    await room.begin(told);
    await sql(
      `insert into room_reaper.snapshots values ($1, '2026-11-20T00:59:59Z', 6, 6, 6, 6, 6)`,
      [told.id],
    );
    if (order === 'event first') await room.take(event(hour + 300, 42));
    await room.end(told);
    if (order === 'outcome first') await room.take(event(hour + 300, 42));
    expect((await room.sources()).get(told.id)).toBe('webhook 42');
    const nearer = destruction('destroyed', [{ at: hour + 250, verdict: 'destroyed' }]);
    await room.begin(nearer);
    await room.end(nearer);
    expect((await room.sources()).get(told.id)).toBe('snapshot 6');
    expect(
      await sql(`select source, outcome from room_reaper.rescued where destruction_id = $1`, [
        told.id,
      ]),
    ).toEqual([{ source: 'snapshot', outcome: 'destroyed_statistics_lost' }]);
  });
});

test('how long its worker waits for an answer counts, and by default what a worker waits', async () => {
  expect(variables.REQUEST_TIMEOUT_MS.fallback).toBe('8000');
  const told = lost(hour);
  const room = newRoom();
  await room.begin(told);
  await sql(`update room_reaper.attempts set worker_id = 'patient' where destruction_id = $1`, [
    told.id,
  ]);
  await beat(ledger.database, {
    ...{ id: 'patient', lineId: 'line', sdkAppId, host: 'box', pid: 1, version: '1' },
    ...{ keyFingerprint: 'a', state: 'running', reason: undefined, inHand: 0 },
    requestTimeoutMs: 30_000,
  });
  await room.end(told);
  await room.take(event(hour + 90 * second, 4));
  expect((await room.sources()).get(told.id)).toBe('webhook 4');
});

test('the statement that records "lost" finds the event that came first, and a late answer takes it back', async () => {
  const line = await makeLine(ledger);
  const wanted = request({ roomId: 'rescued-room' });
  await line.grant(wanted);
  const now = Date.now();
  const told = { ...event(now, 77), roomId: wanted.roomId };
  await takeRoomEvents(ledger.database, line.sdkAppId, [told]);
  const timedOut = attemptEnd({ verdict: 'transient', errorCode: undefined });
  await recordEnds(ledger.database, line.sdkAppId, [
    {
      destructionId: wanted.id,
      attempt: timedOut,
      end: destructionEnd('destroyed_statistics_lost'),
    },
  ]);
  const read = () =>
    sql(
      `select outcome, statistics_source, total_viewers::int from room_reaper.destructions where id = $1`,
      [wanted.id],
    );
  const rescued = () =>
    sql(`select source from room_reaper.rescued where destruction_id = $1`, [wanted.id]);
  expect(await read()).toEqual([
    { outcome: 'destroyed_statistics_lost', statistics_source: 'webhook', total_viewers: 77 },
  ]);
  expect(await rescued()).toEqual([{ source: 'webhook' }]);

  // Another worker held it too, and was told its statistics.
  await recordEnds(ledger.database, line.sdkAppId, [
    { destructionId: wanted.id, attempt: attemptEnd(), end: destructionEnd('destroyed') },
  ]);
  await takeRoomEvents(ledger.database, line.sdkAppId, [told]);
  expect(await read()).toMatchObject([{ statistics_source: 'response', total_viewers: 1_000 }]);
  expect(await rescued()).toEqual([]);
});

test('a batch that has finished follows: its sums, and where its statistics are from, also where it joined', async () => {
  const { database } = ledger;
  const line = await makeLine(ledger);
  const [batchId, joining] = [newId(), newId()];
  for (const id of [batchId, joining]) {
    await openBatch(database, {
      ...{ id, sdkAppId: line.sdkAppId, name: id, madeUpName: '', fingerprint: id, total: 3 },
      ...{ by: 'ada', note: undefined },
    });
    await markEnqueued(database, id);
  }
  const asked = ['a', 'b', 'c'].map((room) => request({ roomId: `${room} ${batchId}`, batchId }));
  await joinDestructions(
    database,
    joining,
    asked.map(({ id: destructionId, roomId }) => ({ destructionId, roomId })),
  );
  for (const each of asked) await line.grant(each);
  const ends = ['destroyed', 'destroyed_statistics_lost', 'destroyed_statistics_lost'] as const;
  await recordEnds(
    database,
    line.sdkAppId,
    asked.map(({ id }, index) => ({
      destructionId: id,
      attempt: attemptEnd(),
      end: destructionEnd(ends[index] ?? 'failed'),
    })),
  );
  await finishBatches(database, line.sdkAppId);
  const look = async (id: string) => {
    const [batch] = await readBatches(database, line.sdkAppId, { idOrName: id, limit: 1 });
    const summary = await summarizeBatch(database, id);
    expect(batch?.finishedAtMs).toBeDefined();
    expect(summary.statisticsFrom).toEqual(batch?.statisticsFrom);
    return { ...batch?.statisticsFrom, viewers: summary.statistics.totalViewers };
  };
  const before = { response: 1, webhook: 0, snapshot: 0, lost: 2, viewers: 1_000n };
  for (const id of [batchId, joining]) expect(await look(id)).toEqual(before);

  const lostRoom = asked[1]?.roomId ?? '';
  await takeRoomEvents(database, line.sdkAppId, [{ ...event(Date.now(), 77), roomId: lostRoom }]);

  const after = { response: 1, webhook: 1, snapshot: 0, lost: 1, viewers: 1_077n };
  for (const id of [batchId, joining]) expect(await look(id)).toEqual(after);
});

/** What the contract says (DESIGN, rescue), in another language and without shortcuts. */
function expectedOf(told: readonly Told[], events: readonly number[]) {
  const taken = new Set<string>();
  return new Map(
    [...events]
      .sort((a, b) => a - b)
      .map((at) => {
        const free = told.filter(({ id }) => !taken.has(id));
        const acted = free
          .filter(({ outcome }) => outcome.startsWith('destroyed'))
          .flatMap(({ id, outcome, attempts }) =>
            attempts
              .filter(({ verdict }) => verdict !== 'gone')
              .filter(({ verdict }) => outcome !== 'destroyed' || verdict === 'destroyed')
              .filter((a) => a.at <= at + 5 * second && a.at >= at - 68 * second)
              .map((a) => ({ id, distance: Math.abs(a.at - at) })),
          )
          .sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1));
        const firstSent = ({ attempts, finishedAt }: Told) => attempts[0]?.at ?? finishedAt;
        const gone = free
          .filter((d) => d.outcome === 'already_gone')
          .filter((d) => firstSent(d) > at && firstSent(d) <= at + 24 * hour)
          .sort((a, b) => a.requestedAt - b.requestedAt || (a.id < b.id ? -1 : 1));
        const owner = acted[0]?.id ?? gone[0]?.id;
        if (owner !== undefined) taken.add(owner);
        return [at, owner] as const;
      }),
  );
}

/** A life of the room that ends at a time, by somebody, and what we then have of it. */
const life = fc.record({
  how: fc.constantFrom(
    'destroyed',
    'lost',
    'killed',
    'system',
    'gone',
    'looked',
    'failed',
    'retried',
  ),
  latency: fc.integer({ min: 0, max: 8_000 }),
  hasStatistics: fc.boolean(),
  isTold: fc.boolean(),
});

function liveOut({ how, latency }: { how: string; latency: number }, at: number) {
  const gone = (after: number): Attempt => ({ at: at + after, verdict: 'gone' });
  const timeout: Attempt = { at, verdict: 'timeout' };
  switch (how) {
    case 'destroyed':
      return {
        ended: at + latency,
        told: [destruction('destroyed', [{ at, verdict: 'destroyed' }])],
      };
    case 'lost':
      return { ended: at + latency, told: [lost(at)] };
    case 'killed': {
      const attempts: Attempt[] = [{ at, verdict: 'killed' }, gone(25 * second)];
      return { ended: at + latency, told: [destruction('destroyed_statistics_lost', attempts)] };
    }
    case 'gone':
      return { ended: at, told: [destruction('already_gone', [gone(latency + 1)])] };
    case 'looked':
      return {
        ended: at,
        told: [destruction('already_gone', [], { finishedAt: at + latency + 1 })],
      };
    case 'failed': {
      // Its last attempt acted, and a replay was told "gone".
      const replayed = destruction('already_gone', [gone(5 * minute)]);
      return { ended: at + latency, told: [destruction('failed', [timeout]), replayed] };
    }
    case 'retried':
      return {
        ended: at + latency,
        told: [destruction('destroyed', [timeout, { at, verdict: 'destroyed' }])],
      };
    default:
      return { ended: at, told: [] };
  }
}

async function playInOrder(
  room: ReturnType<typeof newRoom>,
  told: readonly Told[],
  events: readonly RoomEvent[],
  random: (below: number) => number,
) {
  for (const each of told) await room.begin(each);
  const steps = [
    ...told.map((each) => () => room.end(each)),
    // Some come twice, some without their statistics at first.
    ...events.flatMap((each) => [
      () => room.take(each),
      ...(random(3) === 0 ? [() => room.take(each)] : []),
      ...(random(3) === 0 ? [() => room.take({ ...each, statistics: undefined })] : []),
    ]),
  ];
  while (steps.length > 0) await steps.splice(random(steps.length), 1)[0]?.();
}

describe('whatever the order', () => {
  const gaps = fc.oneof(
    fc.integer({ min: 0, max: 30_000 }),
    fc.integer({ min: 0, max: 30 * hour }),
  );

  test('events belong where the contract says, no two to one destruction', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(life, gaps), { minLength: 1, maxLength: 7 }),
        fc.infiniteStream(fc.nat()),
        async (lives, stream) => {
          let at = 0;
          const told: Told[] = [];
          const events = new Map<number, RoomEvent>();
          for (const [each, gap] of lives) {
            at += gap;
            const lived = liveOut(each, at);
            told.push(...lived.told);
            const viewers = each.hasStatistics ? 1_000 + events.size : undefined;
            if (each.isTold) events.set(lived.ended, event(lived.ended, viewers));
          }
          const room = newRoom();
          const random = (below: number) => (stream.next().value as number) % below;
          await playInOrder(room, told, [...events.values()], random);

          const expected = expectedOf(told, [...events.keys()]);
          const found = await room.belongings();
          expect(found).toEqual(expected);
          const owners = [...found.values()].filter((owner) => owner !== undefined);
          expect(new Set(owners).size).toBe(owners.length);
          const sources = await room.sources();
          for (const { id, outcome } of told) {
            const own = [...expected].find(([, owner]) => owner === id)?.[0];
            const viewers =
              own === undefined ? undefined : events.get(own)?.statistics?.totalViewers;
            const before = {
              destroyed: 'response 1',
              failed: '- -',
              already_gone: 'none -',
              destroyed_statistics_lost: 'lost -',
            };
            const isFilled =
              viewers !== undefined &&
              ['already_gone', 'destroyed_statistics_lost'].includes(outcome);
            expect(sources.get(id)).toBe(isFilled ? `webhook ${viewers}` : before[outcome]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('where the lives of a room lie apart, the sums are the truth', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(life, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat()),
        async (lives, stream) => {
          const told: Told[] = [];
          const events: RoomEvent[] = [];
          let truth = 0n;
          for (const [index, each] of lives.entries()) {
            const lived = liveOut(each, index * 48 * hour);
            told.push(...lived.told);
            // The answers of this history say 1.
            const viewers = ['destroyed', 'retried'].includes(each.how) ? 1 : 1_000 + index;
            events.push(event(lived.ended, viewers));
            if (lived.told.length > 0) truth += BigInt(viewers);
          }
          const room = newRoom();
          await playInOrder(room, told, events, (below) => (stream.next().value as number) % below);
          const [row] = await sql<{ sum: string }>(
            `select coalesce(sum(total_viewers), 0)::text as sum from room_reaper.destructions where sdk_app_id = $1 and room_id = $2`,
            [sdkAppId, room.roomId],
          );
          expect(BigInt(row?.sum ?? -1)).toBe(truth);
        },
      ),
      { numRuns: 30 },
    );
  });
});

test.each(['the end', 'the event'])(
  'an end and its events that are written at once find each other: %s was first',
  async (first) => {
    const told = Array.from({ length: 20 }, () => ({ ...lost(hour), room: newRoom() }));
    for (const each of told) await each.room.begin(each);
    const ids = told.map(({ id }) => id);
    const events = told.map(({ room: { roomId } }) => ({ ...event(baseMs + hour, 8), roomId }));
    const database: Database = {
      query: async (_, text, values) => (await client.query(text, [...values])).rows as never,
      close: () => Promise.resolve(),
    };
    const end = (by: Database) =>
      by.query(
        'test-end',
        `update room_reaper.destructions set outcome = 'destroyed_statistics_lost',
           statistics_source = 'lost', finished_at = $2 where id = any ($1)`,
        [ids, new Date(baseMs + hour + minute)],
      );
    // In another order than the rows of the other.
    const take = (by: Database) => takeRoomEvents(by, sdkAppId, events.toReversed());
    const [begun, behind] = first === 'the end' ? [end, take] : [take, end];
    await sql('begin');
    await begun(database);
    const waiting = behind(ledger.database);
    await expect
      .poll(() => sql(`select from pg_locks where locktype = 'advisory' and not granted`))
      .toHaveLength(1);
    await sql('commit');
    await waiting;
    const rows = await sql(
      `select statistics_source as source, count(*)::int from room_reaper.destructions where id = any ($1) group by 1`,
      [ids],
    );
    expect(rows).toEqual([{ source: 'webhook', count: told.length }]);
  },
);
