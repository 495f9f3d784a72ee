import fc from 'fast-check';
import type { QueryResultRow } from 'pg';
import { describe, expect, test } from 'vitest';
import type { Database } from '../../src/ledger/database.js';
import { recordEnds } from '../../src/ledger/record.js';
import { releaseUnsent } from '../../src/ledger/release.js';
import { firstProbePauseMs, stopLine } from '../../src/ledger/line.js';
import { moveSlots, type MovedSlot } from '../../src/ledger/grant.js';
import { withPostgres } from '../support/servers.js';
import { assertSlidingWindow } from '../support/sliding-window.js';
import {
  attemptEnd,
  destructionEnd,
  intervalMs,
  makeLine,
  request,
  requests,
  slotsOf,
  type Line,
  useLedger,
  windowSlots,
} from './fixture.js';

const ledger = useLedger();
const window = { slots: windowSlots, spanMs: windowSlots * intervalMs };

function attemptsOf(destructionId: string) {
  return ledger.sql<{ attempt: number; worker_id: string; ended: boolean; slot_at: number }>(
    `select attempt, worker_id, ended_at is not null as ended,
            extract(epoch from slot_at)::float8 * 1000 as slot_at
       from room_reaper.attempts where destruction_id = $1 order by attempt`,
    [destructionId],
  );
}

async function recentOf(line: Line): Promise<number[]> {
  const [row] = await ledger.sql<{ recent: number[] }>(
    'select recent from room_reaper.lines where id = $1',
    [line.id],
  );
  return row?.recent ?? [];
}

describe('granting slots', () => {
  test('the attempt is in the ledger, un-ended, before its slot comes', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    const { reservations, databaseNowMs } = await line.reserve([wanted], { leadMs: 60_000 });
    const [granted] = reservations;
    expect(granted).toMatchObject({
      kind: 'granted',
      attempt: 1,
      mayHaveActedBefore: false,
      probe: undefined,
    });
    const slotAtMs = granted?.kind === 'granted' ? granted.slotAtMs : NaN;
    expect(slotAtMs).toBeGreaterThan(databaseNowMs);
    const rows = await attemptsOf(wanted.id);
    expect(rows).toMatchObject([{ attempt: 1, worker_id: 'worker-1', ended: false }]);
    expect(rows[0]?.slot_at).toBeCloseTo(slotAtMs, 1);
  });

  test('the destruction is in the ledger, open, with all that was asked for', async () => {
    const line = await makeLine(ledger);
    const asked = { requestedAtMs: 1_700_000_000_123, onlyCreatedBeforeMs: 1_600_000_000_123 };
    const wanted = request({ roomId: 'room: 1', batchId: 'b', ...asked });
    await line.reserve([wanted]);
    const rows = await ledger.sql(
      `select sdk_app_id::int, room_id, batch_id, outcome, extract(epoch from requested_at)::float8 * 1000 as requested,
              extract(epoch from not_after)::float8 * 1000 as not_after,
              extract(epoch from only_created_before)::float8 * 1000 as only_created_before
         from room_reaper.destructions where id = $1`,
      [wanted.id],
    );
    expect(rows).toEqual([
      {
        sdk_app_id: line.sdkAppId,
        room_id: 'room: 1',
        batch_id: 'b',
        outcome: null,
        requested: 1_700_000_000_123,
        not_after: wanted.notAfterMs,
        only_created_before: 1_600_000_000_123,
      },
    ]);
  });

  test('slots go in the order of the requests, a window never fuller than promised', async () => {
    const line = await makeLine(ledger);
    const first = await line.reserve(requests(200));
    const second = await line.reserve(requests(200));
    const slots = [...slotsOf(first), ...slotsOf(second)];
    expect(slots).toHaveLength(400);
    assertSlidingWindow(slots, window);
  });

  test('no slot lies before the lead that the reply needs', async () => {
    const line = await makeLine(ledger);
    const result = await line.reserve(requests(3), { leadMs: 60_000 });
    const [first = NaN] = slotsOf(result);
    expect(first).toBeGreaterThan(result.databaseNowMs + 30_000);
  });

  test('the first slot of a new line lies a full window ahead: nobody knows what was sent before', async () => {
    const before = Date.now();
    const line = await makeLine(ledger, { fresh: true });
    const result = await line.reserve(requests(200));
    const slots = slotsOf(result);
    expect((slots[0] ?? NaN) - before).toBeGreaterThanOrEqual(1_000);
    expect(slots[0]).toBeGreaterThanOrEqual(result.notBeforeMs);
    // As if the second before it had been full, so it does not begin with a burst.
    expect((slots[199] ?? NaN) - (slots[0] ?? NaN)).toBeGreaterThan(199 * intervalMs - 0.001);
    assertSlidingWindow(slots, window);
  });

  test('where the line has no row there is no slot, and the answer says so', async () => {
    const line = await makeLine(ledger);
    await ledger.sql('delete from room_reaper.lines where id = $1', [line.id]);
    const wanted = request();
    const result = await line.reserve([wanted]);
    expect(result).toMatchObject({ reservations: [undefined], lineExists: false });
    expect(await attemptsOf(wanted.id)).toEqual([]);
  });

  test('reservations from several connections at once share the line and never overlap', async () => {
    const line = await makeLine(ledger);
    const databases = await Promise.all(Array.from({ length: 4 }, () => ledger.another()));
    const groups = await Promise.all(
      databases.map(async (database, index) => {
        const mine: number[] = [];
        for (let round = 0; round < 15; round++) {
          const result = await line.reserve(requests(1 + ((round + index) % 9)), {
            database,
            worker: `worker-${index}`,
          });
          mine.push(...slotsOf(result));
        }
        return mine;
      }),
    );
    const all = groups.flat().sort((a, b) => a - b);
    expect(new Set(all).size).toBe(4 * 15 * 5);
    assertSlidingWindow(all, window);
  });

  test('any mix of reservations and slots given up, by several workers, keeps every window', async () => {
    const round = fc.array(
      fc.record({ wanted: fc.integer({ min: 1, max: 30 }), loses: fc.nat({ max: 10 }) }),
      { minLength: 1, maxLength: 3 },
    );
    const databases = await Promise.all(Array.from({ length: 3 }, () => ledger.another()));
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 6 }), async (rounds) => {
        const line = await makeLine(ledger, { intervalMs: 20, windowSlots: 50 });
        const held = new Set<number>();
        let lost: number[] = [];
        for (const workers of rounds) {
          const taken = lost;
          lost = [];
          const results = await Promise.all(
            workers.map(({ wanted }, index) => {
              const mine = taken.filter((_, place) => place % workers.length === index);
              const wishes = requests(Math.max(wanted, mine.length)).map((wish, place) => {
                const slot = mine[place];
                return slot === undefined ? wish : { ...wish, givenUpSlotMs: slot };
              });
              return line.reserve(wishes, { worker: `worker-${index}`, ...own(databases[index]) });
            }),
          );
          for (const [index, result] of results.entries()) {
            const slots = slotsOf(result);
            for (const slot of slots) held.add(slot);
            lost.push(...slots.slice(0, workers[index]?.loses));
          }
          for (const slot of lost) held.delete(slot);
        }
        const all = [...held].sort((a, b) => a - b);
        assertSlidingWindow(all, { slots: 50, spanMs: 50 * 20 });
      }),
      { numRuns: 15 },
    );
  });

  test('any mix of slots used on time and late, by several workers, keeps every window where they are used', async () => {
    const round = fc.array(
      fc.record({
        wanted: fc.integer({ min: 1, max: 30 }),
        late: fc.array(fc.double({ min: 0.1, max: 60, noNaN: true }), { maxLength: 10 }),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const databases = await Promise.all(Array.from({ length: 3 }, () => ledger.another()));
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 10 }), async (rounds) => {
        const line = await makeLine(ledger, { intervalMs: 5, windowSlots: 200 });
        const used: number[] = [];
        let untold: MovedSlot[] = [];
        for (const workers of rounds) {
          const told = untold;
          untold = [];
          const results = await Promise.all(
            workers.map(({ wanted }, index) =>
              line.reserve(requests(wanted), {
                worker: `worker-${index}`,
                moved: told.filter((_, place) => place % workers.length === index),
                ...own(databases[index]),
              }),
            ),
          );
          for (const [index, result] of results.entries()) {
            const late = workers[index]?.late ?? [];
            for (const [place, slotAtMs] of slotsOf(result).entries()) {
              const lateMs = late[place];
              used.push(slotAtMs + (lateMs ?? 0));
              if (lateMs === undefined) continue;
              untold.push({ slotAtMs, usedAtMs: slotAtMs + lateMs });
            }
          }
        }
        used.sort((a, b) => a - b);
        assertSlidingWindow(used, { slots: 200, spanMs: 200 * 5, mayCoincide: true });
      }),
      { numRuns: 15 },
    );
  });

  test('a slot that is not remembered any more, and one told twice, move nothing', async () => {
    const line = await makeLine(ledger);
    const first = await line.grant(request());
    const moved = [
      { slotAtMs: first.slotAtMs, usedAtMs: first.slotAtMs + 7 },
      { slotAtMs: 12_345, usedAtMs: 12_352 },
    ];
    await line.reserve([request()], { moved });
    const told = await recentOf(line);
    expect(told).toContain(first.slotAtMs + 7);
    expect(told).not.toContain(first.slotAtMs);
    expect(told).not.toContain(12_352);
    await line.reserve([request()], { moved });
    expect((await recentOf(line)).slice(0, -1)).toEqual(told);
  });

  test('told without a reservation, it moves likewise, of its own line alone, and the slot a window later follows it', async () => {
    const [line, other] = [await makeLine(ledger), await makeLine(ledger)];
    const first = await line.grant(request());
    const ofOther = await recentOf(other);
    const moved = { slotAtMs: first.slotAtMs, usedAtMs: first.slotAtMs + 90 };
    await moveSlots(ledger.database, line.id, [moved, { slotAtMs: 12_345, usedAtMs: 12_352 }]);
    expect((await recentOf(line)).at(-1)).toBe(moved.usedAtMs);
    expect(await recentOf(other)).toEqual(ofOther);
    const next = slotsOf(await line.reserve(requests(windowSlots)));
    expect((next.at(-1) ?? NaN) - moved.usedAtMs).toBeGreaterThanOrEqual(window.spanMs);
  });

  test('more requests than the row remembers slots are each granted one', async () => {
    // A rate of 10 per second remembers 30 slots; the limiter asks for up to 200 at once.
    const line = await makeLine(ledger, { intervalMs: 102, windowSlots: 10 });
    const result = await line.reserve(requests(40));
    expect(slotsOf(result)).toHaveLength(40);
    assertSlidingWindow(slotsOf(result), { slots: 10, spanMs: 1_020 });
  });
});

describe('a row that is not what was last written', () => {
  test('that lacks a slot which a worker knows is of a server that lost it: a window is waited', async () => {
    const line = await makeLine(ledger);
    const before = await recentOf(line);
    const lost = slotsOf(await line.reserve(requests(100)));
    const newestSlotMs = lost.at(-1) ?? NaN;
    await ledger.sql('update room_reaper.lines set recent = $2 where id = $1', [line.id, before]);

    const first = slotsOf(await line.reserve(requests(150), { newestSlotMs }));
    // A worker that knows an older one, and one that knows none.
    const then = [lost[50], undefined].map((known) =>
      line.reserve(requests(100), { newestSlotMs: known, worker: 'worker-2' }),
    );
    const rest = (await Promise.all(then)).flatMap(slotsOf);

    expect(first[0]).toBeGreaterThanOrEqual(newestSlotMs + 1_000);
    assertSlidingWindow([...lost, ...first, ...rest.sort((a, b) => a - b)], window);
  });

  test('whose slots lie an hour ahead is of before the clock went back: they are forgotten', async () => {
    const line = await makeLine(ledger);
    await line.reserve(requests(100));
    await line.letPass(-3_600_000);

    const result = await line.reserve(requests(100));

    const [first = NaN] = slotsOf(result);
    expect(first).toBeGreaterThanOrEqual(result.databaseNowMs + 900);
    expect(first).toBeLessThan(result.databaseNowMs + 60_000);
    expect(result.notBeforeMs).toBeLessThanOrEqual(result.databaseNowMs + 1_000);
    assertSlidingWindow(slotsOf(result), window);
  });

  test('with the slots that a worker knows, used and given up, it is believed', async () => {
    const line = await makeLine(ledger);
    const [one, two] = [await line.grant(request()), await line.grant(request())];
    const again = await line.reserve([request({ givenUpSlotMs: two.slotAtMs })], {
      newestSlotMs: one.slotAtMs,
      moved: [{ slotAtMs: one.slotAtMs, usedAtMs: one.slotAtMs + 7 }],
    });
    expect(slotsOf(again)[0]).toBeLessThan(two.slotAtMs + 1_000);
    expect(await recentOf(line)).toContain(one.slotAtMs + 7);
  });
});

describe('numbering attempts', () => {
  test('each attempt that was ended is followed by the next number', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    for (const attempt of [1, 2, 3]) {
      expect(await line.grant(wanted)).toMatchObject({ attempt, mayHaveActedBefore: false });
      await recordEnds(ledger.database, 1_400_000_001, [
        {
          destructionId: wanted.id,
          attempt: attemptEnd({ attempt, verdict: 'transient', mayHaveActed: false }),
          end: undefined,
        },
      ]);
    }
  });

  test('an attempt that ended and may have acted is remembered by every later one', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    for (const [attempt, mayHaveActed] of [true, false].entries()) {
      await line.grant(wanted);
      await recordEnds(ledger.database, 1_400_000_001, [
        {
          destructionId: wanted.id,
          attempt: attemptEnd({ attempt: attempt + 1, verdict: 'transient', mayHaveActed }),
          end: undefined,
        },
      ]);
    }
    expect(await line.grant(wanted)).toMatchObject({ attempt: 3, mayHaveActedBefore: true });
  });

  test("another worker's un-ended attempt may have been sent, so it may have acted", async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    await line.grant(wanted, { worker: 'worker-that-died' });
    expect(await line.grant(wanted, { worker: 'worker-2' })).toMatchObject({
      attempt: 2,
      mayHaveActedBefore: true,
    });
  });

  test("a worker's own un-ended attempt was not sent: its number is used again", async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    const first = await line.grant(wanted);
    const again = await line.grant({ ...wanted, givenUpSlotMs: first.slotAtMs });
    expect(again).toMatchObject({ attempt: 1, mayHaveActedBefore: false });
    const rows = await attemptsOf(wanted.id);
    expect(rows).toHaveLength(1);
    expect(rows[0]?.slot_at).toBeCloseTo(again.slotAtMs, 1);
  });

  test('an attempt that was taken back leaves no doubt behind', async () => {
    const line = await makeLine(ledger);
    const [wanted, other] = [request(), request()];
    await line.reserve([wanted, other]);
    await releaseUnsent(ledger.database, 'worker-1', [wanted.id]);
    expect(await line.grant(wanted, { worker: 'worker-2' })).toMatchObject({
      attempt: 1,
      mayHaveActedBefore: false,
    });
    expect(await attemptsOf(other.id)).toHaveLength(1);
  });

  test('a worker takes back neither what has ended nor what is of another worker', async () => {
    const line = await makeLine(ledger);
    const [ended, foreign] = [request(), request()];
    await line.grant(ended);
    await recordEnds(ledger.database, 1_400_000_001, [
      { destructionId: ended.id, attempt: attemptEnd(), end: undefined },
    ]);
    await line.grant(foreign, { worker: 'worker-2' });
    const ids = [ended.id, foreign.id];
    await releaseUnsent(ledger.database, 'worker-1', ids);
    expect(await attemptsOf(ended.id)).toHaveLength(1);
    expect(await attemptsOf(foreign.id)).toHaveLength(1);
  });

  test('of two workers at the same instant one is granted the attempt, the other asks again', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    const [one, two] = await Promise.all([ledger.another(), ledger.another()]);
    const both = await withPostgres(ledger.url, async (client) => {
      // Both have read the history, and wait for the line's row.
      await client.query('begin');
      await client.query('select from room_reaper.lines where id = $1 for update', [line.id]);
      const reserving = Promise.all([
        line.reserve([wanted], { database: one, worker: 'worker-1' }),
        line.reserve([wanted], { database: two, worker: 'worker-2' }),
      ]);
      await expect
        .poll(() =>
          ledger.sql(
            `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          ),
        )
        .toHaveLength(2);
      await client.query('commit');
      return reserving;
    });
    const kinds = both.map((result) => result.reservations[0]?.kind);
    expect(kinds.sort()).toEqual(['granted', undefined]);
    expect(await attemptsOf(wanted.id)).toHaveLength(1);
    const loser = both[0].reservations[0] === undefined ? 'worker-1' : 'worker-2';
    expect(await line.grant(wanted, { worker: loser })).toMatchObject({
      attempt: 2,
      mayHaveActedBefore: true,
    });
  });
});

describe('what needs no slot', () => {
  test('a destruction that has ended says how, and nothing is recorded or granted', async () => {
    const line = await makeLine(ledger);
    const wanted = request();
    await line.grant(wanted);
    await recordEnds(ledger.database, 1_400_000_001, [
      {
        destructionId: wanted.id,
        attempt: attemptEnd(),
        end: destructionEnd('already_gone'),
      },
    ]);
    const { reservations } = await line.reserve([wanted], { worker: 'worker-2' });
    expect(reservations).toEqual([{ kind: 'finished', outcome: 'already_gone' }]);
    expect(await attemptsOf(wanted.id)).toHaveLength(1);
  });

  test('a destruction past its deadline has expired, whatever was asked first', async () => {
    const line = await makeLine(ledger);
    const wanted = request({ notAfterMs: Date.now() - 1 });
    const { reservations } = await line.reserve([wanted]);
    expect(reservations).toEqual([{ kind: 'expired' }]);
    expect(await attemptsOf(wanted.id)).toEqual([]);
  });

  test('each answer is that of its own request where one statement has all kinds', async () => {
    const line = await makeLine(ledger);
    const [done, late, one, two] = [
      request(),
      request({ notAfterMs: Date.now() - 60_000 }),
      request(),
      request(),
    ];
    await line.grant(done);
    await recordEnds(ledger.database, 1_400_000_001, [
      {
        destructionId: done.id,
        attempt: attemptEnd(),
        end: destructionEnd('destroyed'),
      },
    ]);
    const result = await line.reserve([late, one, done, two]);
    expect(result.reservations.map((each) => each?.kind)).toEqual([
      'expired',
      'granted',
      'finished',
      'granted',
    ]);
    assertSlidingWindow(slotsOf(result), window);
  });
});

test('a job under the id of another room is granted nothing, and leaves the row alone', async () => {
  const line = await makeLine(ledger);
  const real = request();
  await line.grant(real);
  const forged = { ...real, roomId: 'another room' };
  const { reservations } = await line.reserve([forged], { worker: 'worker-2' });
  expect(reservations).toEqual([{ kind: 'foreign' }]);
  expect(await attemptsOf(real.id)).toHaveLength(1);
});

describe('a stopped line', () => {
  const cause = { code: 70003, reason: 'UserSig is wrong', remedy: 'set the right key' };

  test('it grants nothing, says why, what to do and when one job may try', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    const wanted = request();
    const { reservations, databaseNowMs } = await line.reserve([wanted]);
    const [answer] = reservations;
    if (answer?.kind !== 'stopped') throw new Error('expected the line to be stopped');
    expect(answer.line).toMatchObject(cause);
    expect(answer.line.probeAtMs - databaseNowMs).toBeGreaterThan(0.9 * firstProbePauseMs);
    expect(await attemptsOf(wanted.id)).toEqual([]);
  });

  test('when the probe is due one job of all workers is let through, once', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    await line.letPass(firstProbePauseMs + 1);
    const databases = await Promise.all(Array.from({ length: 4 }, () => ledger.another()));
    const results = await Promise.all(
      databases.map((database, index) =>
        line.reserve(requests(5), { database, worker: `worker-${index}` }),
      ),
    );
    const answers = results.flatMap((result) => result.reservations);
    expect(answers.filter((each) => each?.kind === 'granted')).toMatchObject([{ probe: 'stop' }]);
    expect(answers.filter((each) => each?.kind === 'stopped')).toHaveLength(19);
  });

  test('the pause before the next probe doubles, up to an hour', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    const pauses: number[] = [];
    for (let probe = 0; probe < 8; probe++) {
      await line.letPass(3_605_001);
      expect((await line.grant(request())).probe).toBe('stop');
      const { reservations, databaseNowMs } = await line.reserve([request()]);
      const [answer] = reservations;
      if (answer?.kind !== 'stopped') throw new Error('expected the line to be stopped');
      pauses.push(Math.round((answer.line.probeAtMs - databaseNowMs) / 60_000));
    }
    expect(pauses).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
  });

  test('what has ended or expired is answered as ever', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    const { reservations } = await line.reserve([request({ notAfterMs: Date.now() - 1 })]);
    expect(reservations).toEqual([{ kind: 'expired' }]);
  });
});

function own<T>(database: T | undefined): { database?: T } {
  return database === undefined ? {} : { database };
}

test('a reply that lacks a row gives nobody the slot of another', async () => {
  const line = await makeLine(ledger);
  const wanted = requests(4);
  const reply = async (change: (rows: unknown[]) => unknown[]) => {
    const database: Database = {
      query: async <Row extends QueryResultRow>(...asked: Parameters<Database['query']>) =>
        change(await ledger.database.query<Row>(...asked)) as Row[],
      close: () => Promise.resolve(),
    };
    return (await line.reserve(wanted, { database })).reservations;
  };
  const whole = await reply((rows) => rows);
  expect(whole.map((each) => each?.kind)).toEqual(['granted', 'granted', 'granted', 'granted']);
  const lacking = await reply((rows) => rows.toSpliced(1, 1));
  expect(lacking.map((each) => each?.kind)).toEqual(['granted', undefined, undefined, undefined]);
});
