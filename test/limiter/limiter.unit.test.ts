/** What the limiter makes of the ledger's answers and of time, on a time of the tests' own. */
import { setMaxListeners } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Limiter, LimiterOptions, SlotWish } from '../../src/limiter/limiter.js';
import { latestUseMs, onTimeMs } from '../../src/limiter/pace.js';
import { intervalMs, jitterMs, madeUpLedger, wish } from './made-up-ledger.js';

let ledger: ReturnType<typeof madeUpLedger>;
beforeEach(() => {
  ledger = madeUpLedger();
});

const patient = new AbortController().signal;
setMaxListeners(0, patient);

const latestMs = latestUseMs(jitterMs);
const latenessToleranceMs = onTimeMs(jitterMs);

/** A limiter whose first slots, which lie further ahead, are over. */
async function warmLimiter(options: Partial<LimiterOptions> = {}): Promise<Limiter> {
  const limiter = await ledger.limiter(options);
  await ledger.pass(take(limiter));
  ledger.stallUntil(ledger.now() + 1_000);
  ledger.asked.splice(0);
  return limiter;
}

async function take(limiter: Limiter, wanted: SlotWish = wish(), signal = patient) {
  const reservation = await limiter.takeSlot(wanted, signal);
  if (reservation.kind !== 'granted') throw new Error(`expected a slot, got ${reservation.kind}`);
  return { slotAtMs: reservation.slotAtMs, probe: reservation.probe, atMs: ledger.now() };
}

/** Its process is held up so long, in milliseconds, when its first slot is there. */
async function takeAfter(limiter: Limiter, heldUpMs: number) {
  let isFirst = true;
  const reservation = await limiter.takeSlot(wish(), patient, () => {
    if (isFirst) ledger.stallUntil(ledger.now() + heldUpMs);
    isFirst = false;
    return Promise.resolve();
  });
  if (reservation.kind !== 'granted') throw new Error(`expected a slot, got ${reservation.kind}`);
  return reservation;
}

/** Resolves once so many wait for their slots. */
const untilWaiting = (count: number) => expect.poll(() => ledger.waitedFor()).toHaveLength(count);
const untilAsked = (count: number) => expect.poll(() => ledger.asked).toHaveLength(count);

const newest = () => Math.max(...ledger.waitedFor());

const networkDown = () =>
  Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }));

describe('a slot', () => {
  test('each slot is in hand at its time, to the millisecond', async () => {
    const limiter = await ledger.limiter();
    const used = await ledger.pass(Promise.all(Array.from({ length: 50 }, () => take(limiter))));
    for (const { slotAtMs, atMs } of used) expect(atMs).toBe(slotAtMs);
    expect(new Set(used.map(({ slotAtMs }) => slotAtMs)).size).toBe(50);
    expect(limiter.counts()).toMatchObject({ granted: 50, givenUp: 0 });
  });

  test('the first slots of a process lie half a second ahead, later ones as far as the answer needs', async () => {
    const limiter = await ledger.limiter();
    await ledger.pass(take(limiter));
    ledger.stallUntil(ledger.now() + 1_000);
    await ledger.pass(take(limiter));
    expect(ledger.asked.map(({ leadMs }) => leadMs)).toEqual([500, 30]);
  });

  test('the newest one that is held is told, so that a row which lacks it is noticed', async () => {
    const limiter = await ledger.limiter();
    const { slotAtMs } = await ledger.pass(take(limiter));
    const givenUp = await ledger.pass(take(limiter));
    // Used late: given up, with nothing newer in hand.
    await ledger.pass(take(limiter, wish({ givenUpSlotMs: givenUp.slotAtMs })));
    expect(ledger.asked.map(({ newestSlotMs }) => newestSlotMs)).toEqual([
      ...[null, slotAtMs, slotAtMs],
    ]);
  });

  test('one that lies an hour ahead since the clock went back is given up, and another reserved', async () => {
    const limiter = await ledger.limiter();
    const taking = take(limiter);
    await untilWaiting(1);
    ledger.turnBack(3_600_000);
    const { slotAtMs, atMs } = await ledger.pass(taking);
    expect(atMs).toBe(slotAtMs);
    expect(ledger.asked).toHaveLength(2);
    expect(limiter.counts()).toMatchObject({ granted: 2, givenUp: 1 });
  });

  test('while one reservation is under way others gather, and the urgent one goes first', async () => {
    const limiter = await ledger.limiter();
    let answer: () => void = () => undefined;
    ledger.answers.push(async (rows) => {
      await new Promise<void>((resolve) => (answer = resolve));
      return rows;
    });
    const first = take(limiter);
    await untilAsked(1);
    const wishes = [4, 3, 2, 1].map((lane) => wish({ lane }));
    const others = wishes.map((each) => take(limiter, each));
    answer();
    await ledger.pass(Promise.all([first, ...others]));
    expect(ledger.asked[1]?.ids).toEqual(wishes.map(({ id }) => id).reverse());
  });

  test('a reservation that could not be made is asked for again', async () => {
    const limiter = await warmLimiter();
    ledger.answers.push((rows) => rows.map((row) => ({ ...row, attempt: null, slot_at: null })));
    await ledger.pass(take(limiter));
    expect(ledger.asked).toHaveLength(2);
  });

  test('a line whose row was lost is made anew', async () => {
    const limiter = await warmLimiter();
    ledger.statements.splice(0);
    ledger.answers.push((rows) =>
      rows.map((row) => ({ ...row, attempt: null, slot_at: null, line_exists: false })),
    );
    await ledger.pass(take(limiter));
    expect(ledger.statements).toEqual(['reserve', 'line-ensure', 'reserve']);
  });

  test('after each grant it says how far ahead slots lie because others were granted before', async () => {
    const told: { leadMs: number; waiting: number }[] = [];
    const limiter = await warmLimiter({ onLead: (lead) => told.push(lead) });
    told.splice(0);
    await ledger.pass(Promise.all(Array.from({ length: 5 }, () => take(limiter))));
    expect(told).toEqual([{ leadMs: 4 * intervalMs, waiting: 5 }]);
  });
});

describe('a ledger that answers slowly', () => {
  /** Time passes while a statement runs. */
  const slowly = (answerMs: number, count: number) => {
    for (let answer = 0; answer < count; answer++) {
      ledger.answers.push((rows) => {
        ledger.stallUntil(ledger.now() + answerMs);
        return rows;
      });
    }
  };

  test.each([60, 150])(
    'by %i ms costs a few slots, and then they lie far enough ahead',
    async (ms) => {
      const limiter = await warmLimiter();
      slowly(ms, 100);
      for (let room = 0; room < 8; room++) await ledger.pass(take(limiter));
      // It is as slow as the fastest of its last four answers: one of them was quick.
      expect(limiter.counts().givenUp).toBeLessThanOrEqual(4);
      expect(ledger.asked.at(-1)?.leadMs).toBe(ms + 15);
      const { givenUp } = limiter.counts();
      await ledger.pass(take(limiter));
      expect(limiter.counts().givenUp).toBe(givenUp);
    },
  );

  test('by more than slots may lie ahead, that is said', async () => {
    const told: number[] = [];
    const limiter = await ledger.limiter({ onSlowLedger: (ms) => told.push(ms) });
    slowly(600, 4);
    await ledger.pass(take(limiter));
    expect(told).toEqual([600]);
  });

  test('for once changes nothing: a single slow answer is a pause of this machine', async () => {
    const limiter = await warmLimiter();
    slowly(300, 1);
    await ledger.pass(take(limiter));
    expect(ledger.asked.at(-1)?.leadMs).toBe(30);
  });
});

describe('a slot that comes too late', () => {
  test('is given up and reserved anew: after a stall nothing is used late', async () => {
    const limiter = await warmLimiter();
    const using = Promise.all(Array.from({ length: 60 }, () => take(limiter)));
    await untilWaiting(60);
    const stalledUntilMs = newest() - 100;
    const late = ledger.waitedFor().filter((at) => stalledUntilMs - at > latestMs);
    ledger.stallUntil(stalledUntilMs);

    const used = await ledger.pass(using);

    expect(late.length).toBeGreaterThan(30);
    expect(limiter.counts()).toMatchObject({ granted: 61 + late.length, givenUp: late.length });
    for (const { slotAtMs, atMs } of used) {
      expect(atMs - slotAtMs).toBeLessThanOrEqual(latestMs);
      expect(late).not.toContain(slotAtMs);
    }
  });

  test.each([13, 150, 5_000])('by %i ms leaves its place to others', async (lateMs) => {
    const limiter = await warmLimiter();
    const using = take(limiter);
    await untilWaiting(1);
    const lost = newest();
    ledger.stallUntil(lost + lateMs);
    expect((await ledger.pass(using)).slotAtMs).toBeGreaterThan(lost + lateMs);
    expect(ledger.asked[1]?.givenUp).toEqual([lost]);
  });

  test('on a machine that slept nothing is used before the database’s clock is read anew', async () => {
    const limiter = await warmLimiter();
    ledger.isAsleep = true;
    const using = take(limiter);
    await untilWaiting(1);
    ledger.stallUntil(newest());
    await untilAsked(2);
    expect(limiter.counts()).toMatchObject({ givenUp: 1 });
    ledger.isAsleep = false;
    await ledger.pass(using);
    expect(limiter.counts()).toMatchObject({ granted: 3, givenUp: 1 });
  });

  test.each([
    { what: 'takes as long as it may', heldUpMs: latestMs, isGivenUp: false },
    { what: 'takes longer', heldUpMs: latestMs + 0.1, isGivenUp: true },
  ])(
    'where what is done at it $what, it is given up: $isGivenUp',
    async ({ heldUpMs, isGivenUp }) => {
      const limiter = await warmLimiter();
      const { slotAtMs } = await ledger.pass(takeAfter(limiter, heldUpMs));
      expect(ledger.asked).toHaveLength(isGivenUp ? 2 : 1);
      expect(ledger.now() - slotAtMs).toBe(isGivenUp ? 0 : heldUpMs);
      expect(limiter.counts().givenUp).toBe(isGivenUp ? 1 : 0);
    },
  );

  test('the probe of a stopped line, beside which nothing is sent, may be late', async () => {
    const limiter = await warmLimiter();
    ledger.answers.push((rows) => rows.map((row) => ({ ...row, probe: 'stop' })));
    const { probe } = await ledger.pass(takeAfter(limiter, 400));
    expect(probe).toBe('stop');
    expect(limiter.counts().givenUp).toBe(0);
  });
});

describe('a slot that was used', () => {
  test('written late, its line is told when; written on time, it is not', async () => {
    const limiter = await warmLimiter();
    const onTime = await ledger.pass(take(limiter));
    ledger.stallUntil(onTime.slotAtMs + latenessToleranceMs);
    limiter.written(onTime.slotAtMs);
    const late = await ledger.pass(take(limiter));
    ledger.stallUntil(late.slotAtMs + latenessToleranceMs + 0.1);
    limiter.written(late.slotAtMs);
    expect(limiter.counts()).toMatchObject({ used: 2, late: 1 });

    await ledger.pass(take(limiter));
    await ledger.pass(take(limiter));

    const usedAtMs = late.slotAtMs + latenessToleranceMs + 0.1;
    expect(ledger.asked.map(({ moved }) => moved)).toEqual([
      [],
      [],
      [{ slotAtMs: late.slotAtMs, usedAtMs: expect.closeTo(usedAtMs, 2) as number }],
      // Told once.
      [],
    ]);
  });

  test('a reservation between its slot and its write tells nothing of it: one move counts, that of the write', async () => {
    const limiter = await warmLimiter();
    const { slotAtMs } = await ledger.pass(take(limiter));
    ledger.stallUntil(slotAtMs + latenessToleranceMs + 1);
    await ledger.pass(take(limiter));
    ledger.stallUntil(slotAtMs + 50);
    limiter.written(slotAtMs);
    await ledger.pass(take(limiter));
    expect(ledger.asked.map(({ moved }) => moved)).toEqual([
      ...[[], [], [{ slotAtMs, usedAtMs: slotAtMs + 50 }]],
    ]);
  });

  test('written late while a reservation is under way, it is told after that', async () => {
    const limiter = await warmLimiter();
    const late = await ledger.pass(take(limiter));
    ledger.answers.push((rows) => {
      ledger.stallUntil(late.slotAtMs + latenessToleranceMs + 1);
      limiter.written(late.slotAtMs);
      return rows;
    });
    await ledger.pass(take(limiter));
    const told = () => [...ledger.asked.flatMap(({ moved }) => moved), ...ledger.moves.flat()];
    await expect.poll(told).toMatchObject([{ slotAtMs: late.slotAtMs }]);
    expect(ledger.asked.map(({ moved }) => moved.length)).toEqual([0, 0]);
  });

  test('written late, it is told again where no slot was granted: the row was not written then', async () => {
    const limiter = await warmLimiter();
    const late = await ledger.pass(take(limiter));
    ledger.stallUntil(late.slotAtMs + 10);
    limiter.written(late.slotAtMs);
    ledger.answers.push((rows) => rows.map((row) => ({ ...row, closed: true })));
    expect(await limiter.takeSlot(wish(), patient)).toEqual({ kind: 'expired' });
    await ledger.pass(take(limiter));
    expect(ledger.asked.map(({ moved }) => moved.length)).toEqual([0, 1, 1]);
  });

  test('written late by a process that reserves nothing more, it is told all the same', async () => {
    const limiter = await warmLimiter();
    const [one, two] = [await ledger.pass(take(limiter)), await ledger.pass(take(limiter))];
    const asked = ledger.asked.length;
    ledger.stallUntil(two.slotAtMs + 50);
    limiter.written(one.slotAtMs);
    limiter.written(two.slotAtMs);
    const usedAtMs = two.slotAtMs + 50;
    await expect
      .poll(() => ledger.moves)
      .toEqual([
        [
          { slotAtMs: one.slotAtMs, usedAtMs },
          { slotAtMs: two.slotAtMs, usedAtMs },
        ],
      ]);
    expect(ledger.asked).toHaveLength(asked);
    // Told once.
    await ledger.pass(take(limiter));
    expect(ledger.asked.at(-1)?.moved).toEqual([]);
  });

  test('written late with a ledger that is away, it is told by the next reservation', async () => {
    const limiter = await warmLimiter();
    const { slotAtMs } = await ledger.pass(take(limiter));
    ledger.failsToMove = true;
    ledger.stallUntil(slotAtMs + 50);
    limiter.written(slotAtMs);
    await expect.poll(() => ledger.statements.at(-1)).toBe('line-move-slots');
    await ledger.pass(take(limiter));
    expect(ledger.asked.at(-1)?.moved).toEqual([{ slotAtMs, usedAtMs: slotAtMs + 50 }]);
  });
});

describe('abort', () => {
  test('whoever waits for a slot is told the reason at once, and nobody else', async () => {
    const limiter = await warmLimiter();
    const stop = new AbortController();
    const stopped = take(limiter, wish(), stop.signal);
    const other = take(limiter);
    await untilWaiting(2);
    stop.abort(new Error('shutting down'));
    await expect(stopped).rejects.toThrow('shutting down');
    await ledger.pass(other);
  });

  test('whoever comes after the abort asks for nothing', async () => {
    const limiter = await warmLimiter();
    const wanted = take(limiter, wish(), AbortSignal.abort(new Error('shutting down')));
    await expect(wanted).rejects.toThrow('shutting down');
    expect(ledger.asked).toEqual([]);
  });
});

describe('the probe of a stopped line', () => {
  const asProbe = () =>
    ledger.answers.push((rows) => rows.map((row) => ({ ...row, probe: 'stop' })));

  test('is passed on, where whoever was granted it stops before it sends', async () => {
    const limiter = await warmLimiter();
    const stop = new AbortController();
    asProbe();
    const stopped = take(limiter, wish(), stop.signal);
    await untilWaiting(1);
    stop.abort(new Error('halted'));
    await expect(stopped).rejects.toThrow('halted');
    expect(ledger.statements.at(-1)).toBe('line-probe-now');
  });

  test.each([
    { lateMs: 500, asks: 1 },
    { lateMs: 501, asks: 2 },
  ])('$lateMs ms late is asked for $asks times in all', async ({ lateMs, asks }) => {
    const limiter = await warmLimiter();
    asProbe();
    asProbe();
    const using = take(limiter);
    await untilWaiting(1);
    ledger.stallUntil(newest() + lateMs);
    expect(await ledger.pass(using)).toMatchObject({ probe: 'stop' });
    expect(ledger.asked).toHaveLength(asks);
    expect(ledger.statements.includes('line-probe-now')).toBe(asks > 1);
  });
});

describe('an outage', () => {
  test('is waited for, in hand, until its next probe is due, and its end is told', async () => {
    const told: (number | undefined)[] = [];
    const limiter = await warmLimiter({ onOutage: (outage) => told.push(outage?.probeAtMs) });
    told.splice(0);
    const probeAtMs = ledger.now() + 2_000;
    ledger.answers.push((rows) =>
      rows.map((row) => ({
        ...row,
        ...{ attempt: null, slot_at: null, stopped: true, outage: true, probe_at: probeAtMs },
      })),
    );
    const using = take(limiter);
    await untilWaiting(1);
    expect(ledger.waitedFor()).toEqual([probeAtMs]);
    await ledger.pass(using);
    expect(told).toEqual([probeAtMs, undefined]);
  });
});

describe('a database that goes away', () => {
  test('grants nothing, is asked less and less often, and both is said', async () => {
    const told: (string | undefined)[] = [];
    const limiter = await warmLimiter({ onDatabase: (error) => told.push(error?.message) });
    const from = ledger.now();
    for (let failures = 0; failures < 7; failures++) ledger.answers.push(networkDown);
    const { slotAtMs } = await ledger.pass(take(limiter));
    expect(told).toEqual([...Array<string>(7).fill('down'), undefined]);
    // 100 ms, doubling up to two seconds.
    expect(slotAtMs - from).toBe(100 + 200 + 400 + 800 + 1_600 + 2_000 + 2_000 + 30);
  });

  test('is not waited for by whoever gives up meanwhile', async () => {
    const limiter = await warmLimiter();
    ledger.answers.push(networkDown);
    const stop = new AbortController();
    const stopped = take(limiter, wish(), stop.signal);
    await untilWaiting(1);
    stop.abort(new Error('shutting down'));
    await expect(stopped).rejects.toThrow('shutting down');
  });

  test('is something else than a statement that is wrong: that is an error', async () => {
    const limiter = await warmLimiter();
    ledger.answers.push(() => Promise.reject(new Error('syntax error')));
    await expect(take(limiter)).rejects.toThrow('syntax error');
  });
});
