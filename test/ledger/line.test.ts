import { describe, expect, test } from 'vitest';
import {
  beginOutage,
  brakeLine,
  endOutage,
  firstProbePauseMs,
  haltOf,
  isMoving,
  probeNow,
  readLines,
  resumeLine,
  stateOf,
  stopLine,
  type StopOptions,
} from '../../src/ledger/line.js';
import { assertSlidingWindow } from '../support/sliding-window.js';
import { recordEnds } from '../../src/ledger/record.js';
import { beat } from '../../src/ledger/workers.js';
import {
  attemptEnd,
  makeLine,
  request,
  requests,
  slotsOf,
  useLedger,
  type Line,
} from './fixture.js';

const ledger = useLedger({ clock: 'stopped' });
const cause = { code: 70003, reason: 'UserSig is wrong', remedy: 'set the right key' };
const fullRate = 1000 / 5.1;

async function state(line: Line) {
  const [found] = await readLines(ledger.database, line.sdkAppId, line.intervalMs);
  if (found === undefined) throw new Error('the line has no row');
  const { kind } = found.state;
  return {
    ...found,
    kind,
    stopped: kind === 'stopped' ? found.state.halt : undefined,
    outage: kind === 'outage' ? found.state.halt : undefined,
  };
}

/** A line that was used at its full rate in the last second. */
async function busyLine(): Promise<Line> {
  const line = await makeLine(ledger);
  await line.reserve(requests(260));
  await line.letPass(1_050);
  return line;
}

const brake = (line: Line, reason = 'over the quota') =>
  brakeLine(ledger.database, line.id, line.intervalMs, reason);

describe('stop and resume', () => {
  test('a line that nothing holds up runs at the full rate', async () => {
    const line = await makeLine(ledger);
    const found = await state(line);
    expect(found).toMatchObject({
      id: line.id,
      host: 'localhost',
      brakeReason: undefined,
      kind: 'running',
    });
    expect(found.ratePerSecond).toBeCloseTo(fullRate, 3);
  });

  test('its last slot is the newest one granted', async () => {
    const line = await makeLine(ledger);
    const { slotAtMs } = await line.grant(request());
    expect((await state(line)).lastSlotMs).toBeCloseTo(slotAtMs, 3);
  });

  test('a stopped line tells everybody why, what to do, since when and when it is tried', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    const { stopped, databaseNowMs } = await state(line);
    expect(stopped).toMatchObject({ ...cause, sinceMs: databaseNowMs });
    expect(stopped?.probeAtMs).toBeCloseTo(databaseNowMs + firstProbePauseMs, 3);
  });

  test('a cause without code or remedy has none', async () => {
    const line = await makeLine(ledger);
    const bare = { code: undefined, reason: 'HTTP 404', remedy: undefined };
    await stopLine(ledger.database, line.id, bare);
    expect((await state(line)).stopped).toMatchObject(bare);
  });

  test('a stopped line shows the newest reason; since when, and when it is tried, stay', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    const { stopped: before } = await state(line);
    const newer = { code: undefined, reason: 'HTTP 403', remedy: undefined };
    await stopLine(ledger.database, line.id, newer);
    expect((await state(line)).stopped).toEqual({ ...before, ...newer });
  });

  test('a probe that fails leaves the next one where it was, a longer pause ahead', async () => {
    const line = await makeLine(ledger);
    // It ran before.
    await line.grant(request());
    await stopLine(ledger.database, line.id, cause);
    await line.letPass(firstProbePauseMs);
    expect(await line.grant(request())).toMatchObject({ probe: 'stop' });
    const { stopped: before } = await state(line);
    await stopLine(ledger.database, line.id, cause);
    const { stopped, databaseNowMs } = await state(line);
    expect(stopped).toEqual(before);
    expect(stopped?.probeAtMs).toBeCloseTo(databaseNowMs + 2 * firstProbePauseMs, 3);
  });

  test('says which worker said so, and is forgotten with the stop', async () => {
    const line = await makeLine(ledger);
    const by = { workerId: 'worker-1', name: 'box-7:4123' };
    await stopLine(ledger.database, line.id, cause, { by });
    expect((await state(line)).stopped?.by).toBe('box-7:4123');
    await resumeLine(ledger.database, line.id);
    await beginOutage(ledger.database, line.id, { code: undefined, reason: 'HTTP 502' });
    expect((await state(line)).outage?.by).toBeUndefined();
  });

  test('is not believed of one worker while others live, and not while they succeed', async () => {
    const line = await makeLine(ledger);
    const stops = (workerId: string, unless: StopOptions['unless']) =>
      stopLine(ledger.database, line.id, cause, { by: { workerId, name: workerId }, unless });
    const worker = {
      ...{ lineId: line.id, sdkAppId: line.sdkAppId, host: 'box', pid: 1, version: '1.0.0' },
      ...{ keyFingerprint: '12345678', state: 'running' as const, reason: undefined, inHand: 0 },
    };
    await beat(ledger.database, { ...worker, id: 'bad' });
    await beat(ledger.database, { ...worker, id: 'good' });
    expect(await stops('bad', 'others_live')).toBe(false);

    const { databaseNowMs: refusedAtMs } = await state(line);
    const wanted = request();
    await line.grant(wanted, { worker: 'good' });
    const answeredBy = (sentAtMs: number, verdict: 'destroyed' | 'stop_line') =>
      recordEnds(ledger.database, line.sdkAppId, [
        {
          destructionId: wanted.id,
          attempt: attemptEnd({ sentAtMs, endedAtMs: sentAtMs + 1, verdict }),
          end: undefined,
        },
      ]);
    // Sent before the refusal, or refused too: that says nothing.
    await answeredBy(refusedAtMs - 1, 'destroyed');
    await answeredBy(refusedAtMs + 1, 'stop_line');
    // Its own success is no success of others.
    expect(await stops('good', { othersSucceedSinceMs: refusedAtMs })).toBe(true);
    await resumeLine(ledger.database, line.id);
    await answeredBy(refusedAtMs + 1, 'destroyed');
    expect(await stops('bad', { othersSucceedSinceMs: refusedAtMs })).toBe(false);
    expect((await state(line)).kind).toBe('running');

    await beat(ledger.database, { ...worker, id: 'good', state: 'ended' });
    expect(await stops('bad', 'others_live')).toBe(true);
  });

  test('the probe goes to another worker than the one that stopped the line or probed last', async () => {
    const line = await makeLine(ledger);
    const by = { workerId: 'bad', name: 'bad' };
    await stopLine(ledger.database, line.id, cause, { by });
    const asks = async (worker: string) =>
      (await line.reserve([request()], { worker })).reservations[0]?.kind;
    await line.letPass(firstProbePauseMs);
    expect([await asks('bad'), await asks('good'), await asks('bad')]).toEqual([
      ...['stopped', 'granted', 'stopped'],
    ]);
    await line.letPass(2 * firstProbePauseMs);
    expect([await asks('good'), await asks('bad')]).toEqual(['stopped', 'granted']);
    // Where there is no other, it goes to the same one, some seconds later.
    await line.letPass(4 * firstProbePauseMs + 5_000);
    expect(await asks('bad')).toBe('granted');
  });

  test('many workers that see it at once stop the line once', async () => {
    const line = await makeLine(ledger);
    const databases = await Promise.all(Array.from({ length: 4 }, () => ledger.another()));
    await Promise.all(databases.map((database) => stopLine(database, line.id, cause)));
    await line.letPass(firstProbePauseMs);
    await line.grant(request());
    const { stopped, databaseNowMs } = await state(line);
    // One pause, doubled once.
    expect(stopped?.probeAtMs).toBeCloseTo(databaseNowMs + 2 * firstProbePauseMs, 3);
  });

  test('a resumed line grants slots at once', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    expect(await resumeLine(ledger.database, line.id)).toBe(true);
    expect((await state(line)).stopped).toBeUndefined();
    expect(await line.grant(request())).toMatchObject({ probe: undefined });
  });

  test('a line that runs cannot be resumed', async () => {
    const line = await makeLine(ledger);
    expect(await resumeLine(ledger.database, line.id)).toBe(false);
  });

  test('after it was resumed the first pause is the short one again', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    await line.letPass(firstProbePauseMs);
    await line.grant(request());
    await resumeLine(ledger.database, line.id);
    await stopLine(ledger.database, line.id, cause);
    const { stopped } = await state(line);
    expect((stopped?.probeAtMs ?? NaN) - (stopped?.sinceMs ?? NaN)).toBeCloseTo(
      firstProbePauseMs,
      3,
    );
  });

  test('a person who asks for work lets one job try at once', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    await probeNow(ledger.database, line.id);
    const kinds = (await line.reserve(requests(3))).reservations.map((each) => each?.kind);
    expect(kinds).toEqual(['granted', 'stopped', 'stopped']);
  });

  test('one app never sees or stops the line of another', async () => {
    const [mine, other] = [await makeLine(ledger), await makeLine(ledger)];
    await stopLine(ledger.database, mine.id, cause);
    expect((await state(other)).stopped).toBeUndefined();
    expect((await other.grant(request())).probe).toBeUndefined();
  });
});

describe('brake', () => {
  test('it halves the rate for all workers and says why', async () => {
    const line = await busyLine();
    expect(await brake(line)).toBeCloseTo(fullRate / 2, 3);
    const found = await state(line);
    expect(found).toMatchObject({ kind: 'braked', brakeReason: 'over the quota' });
    expect(found.ratePerSecond).toBeCloseTo(fullRate / 2, 3);
  });

  test('it keeps the line empty for a window, then slots come at the slower rate', async () => {
    const line = await busyLine();
    await brake(line);
    const result = await line.reserve(requests(400));
    const slots = slotsOf(result);
    expect(slots[0]).toBeGreaterThanOrEqual(result.databaseNowMs + 1_000);
    assertSlidingWindow(slots, { slots: 200, spanMs: 2 * 200 * line.intervalMs });
  });

  test('it is put on at most once a window: answers in flight say nothing new', async () => {
    const line = await busyLine();
    await brake(line);
    expect(await brake(line, 'again')).toBeUndefined();
    await line.letPass(500);
    expect(await brake(line, 'again')).toBeUndefined();
    expect((await state(line)).brakeReason).toBe('over the quota');
    await line.letPass(600);
    // Climbed by a fifth of the full rate in the second between.
    expect(((await brake(line, 'again')) ?? NaN) / fullRate).toBeCloseTo((0.5 + 1.1 * 0.2) / 2, 3);
    expect((await state(line)).brakeReason).toBe('again');
  });

  test('of many workers that ask at once, one brakes', async () => {
    const line = await busyLine();
    const databases = await Promise.all(Array.from({ length: 4 }, () => ledger.another()));
    const rates = await Promise.all(
      databases.map((database) => brakeLine(database, line.id, line.intervalMs, 'over the quota')),
    );
    expect(rates.filter((rate) => rate !== undefined)).toHaveLength(1);
  });

  test('the rate is back at nine tenths in two seconds, and at the full one in thirteen', async () => {
    const line = await busyLine();
    await brake(line);
    await line.letPass(2_000);
    expect((await state(line)).ratePerSecond / fullRate).toBeCloseTo(0.9, 2);
    await line.letPass(5_000);
    expect((await state(line)).ratePerSecond / fullRate).toBeCloseTo(0.95, 2);
    await line.letPass(6_000);
    const found = await state(line);
    expect(found.ratePerSecond).toBeCloseTo(fullRate, 3);
    expect(found.brakeReason).toBeUndefined();
  });

  test('brake upon brake never goes below one request a second', async () => {
    const line = await busyLine();
    const rates: number[] = [];
    for (let times = 0; times < 20; times++) {
      rates.push((await brake(line)) ?? NaN);
      await line.letPass(1_001);
    }
    expect(rates).toEqual([...rates].sort((a, b) => b - a));
    // Where halving and climbing are even.
    expect((rates.at(-1) ?? NaN) / fullRate).toBeCloseTo(0.05, 3);
    const slow = await makeLine(ledger, { intervalMs: 1_020, windowSlots: 1 });
    expect(await brake(slow)).toBe(1);
  });
});

describe('an outage', () => {
  const outage = { code: undefined, reason: 'HTTP 502' };
  const begin = (line: Line) => beginOutage(ledger.database, line.id, outage);

  test('is told apart from a stop, with since when, why, and when one attempt tries', async () => {
    const line = await makeLine(ledger);
    expect(await begin(line)).toBe(true);
    const found = await state(line);
    expect(found.stopped).toBeUndefined();
    expect(found.outage).toMatchObject(outage);
    expect((found.outage?.probeAtMs ?? NaN) - (found.outage?.sinceMs ?? NaN)).toBeCloseTo(500, -1);
  });

  test('lets one attempt through at 0.5 s, then every second, then every two seconds', async () => {
    const line = await makeLine(ledger);
    await begin(line);
    const pauses: number[] = [];
    for (let probe = 0; probe < 4; probe++) {
      const { reservations } = await line.reserve(requests(3));
      expect(reservations.map((each) => each?.kind)).toEqual(['stopped', 'stopped', 'stopped']);
      await line.letPass(2_000);
      const later = await line.reserve(requests(3));
      expect(later.reservations).toMatchObject([
        { kind: 'granted', probe: 'outage' },
        { kind: 'stopped', line: { outage: true } },
        { kind: 'stopped', line: { outage: true } },
      ]);
      const [, waiting] = later.reservations;
      if (waiting?.kind !== 'stopped') throw new Error('expected it to wait');
      pauses.push(Math.round((waiting.line.probeAtMs - later.databaseNowMs) / 100) / 10);
    }
    expect(pauses).toEqual([1, 2, 2, 2]);
  });

  test('is over for all when one says so, once', async () => {
    const line = await makeLine(ledger);
    await begin(line);
    expect(await endOutage(ledger.database, line.id)).toBe(true);
    expect(await endOutage(ledger.database, line.id)).toBe(false);
    expect((await state(line)).outage).toBeUndefined();
    expect(await line.grant(request())).toMatchObject({ probe: undefined });
  });

  test('is not believed while another worker has good answers', async () => {
    const line = await makeLine(ledger);
    const { databaseNowMs: now } = await state(line);
    await line.reserve([request()], { answeredAtMs: now });
    expect(await begin(line)).toBe(false);
    expect((await state(line)).outage).toBeUndefined();
    // An older answer does not take a newer one back.
    await line.reserve([request()], { answeredAtMs: now - 60_000 });
    await line.letPass(1_199);
    expect(await begin(line)).toBe(false);
    await line.letPass(2);
    expect(await begin(line)).toBe(true);
  });

  test('that another worker saw first is one', async () => {
    const line = await makeLine(ledger);
    await begin(line);
    expect(await begin(line)).toBe(true);
  });

  test('gives way to a stop, which it cannot end', async () => {
    const line = await makeLine(ledger);
    await begin(line);
    const { databaseNowMs: beforeMs } = await state(line);
    await stopLine(ledger.database, line.id, cause);
    const found = await state(line);
    expect(found.outage).toBeUndefined();
    expect(found.stopped).toMatchObject(cause);
    expect(found.stopped?.probeAtMs).toBeGreaterThanOrEqual(beforeMs + firstProbePauseMs);
    expect(await endOutage(ledger.database, line.id)).toBe(false);
    expect((await state(line)).stopped).toMatchObject(cause);
  });

  test('never takes the place of a stop', async () => {
    const line = await makeLine(ledger);
    await stopLine(ledger.database, line.id, cause);
    await begin(line);
    expect((await state(line)).stopped).toMatchObject(cause);
  });

  test('ends by hand too', async () => {
    const line = await makeLine(ledger);
    await begin(line);
    expect(await resumeLine(ledger.database, line.id)).toBe(true);
    expect((await state(line)).outage).toBeUndefined();
  });
});

describe('the state for whoever asks', () => {
  test('is never used without a row, and paused wherever the queue is', async () => {
    const line = await makeLine(ledger);
    const found = await state(line);
    expect(stateOf(undefined, false)).toEqual({ kind: 'never_used' });
    expect(stateOf(found, false)).toEqual({ kind: 'running' });
    expect(stateOf(found, true)).toEqual({ kind: 'paused', otherwise: { kind: 'running' } });
    expect(stateOf(undefined, true)).toEqual({ kind: 'paused', otherwise: { kind: 'never_used' } });
  });

  test('moves where it runs or is braked, and nowhere else', async () => {
    const line = await makeLine(ledger);
    const moves = async (paused = false) => isMoving(stateOf(await state(line), paused));
    expect(isMoving(stateOf(undefined, false))).toBe(false);
    expect([await moves(), await moves(true)]).toEqual([true, false]);
    await brake(line);
    expect(await moves()).toBe(true);
    await beginOutage(ledger.database, line.id, { code: undefined, reason: 'HTTP 502' });
    expect(await moves()).toBe(false);
    await stopLine(ledger.database, line.id, cause);
    expect(await moves()).toBe(false);
  });

  test('has why it is stopped, also behind a pause', async () => {
    const line = await makeLine(ledger);
    expect(haltOf(stateOf(await state(line), true))).toBeUndefined();
    await stopLine(ledger.database, line.id, cause);
    for (const paused of [false, true])
      expect(haltOf(stateOf(await state(line), paused))).toMatchObject(cause);
  });
});

describe('the quota found', () => {
  test('is what was sent in the second before the API last said that it was over', async () => {
    const line = await busyLine();
    expect((await state(line)).quotaFound).toBeUndefined();
    await brake(line);
    expect((await state(line)).quotaFound?.ratePerSecond).toBe(196);
    await line.letPass(2_000);
    await line.reserve(requests(60));
    await line.letPass(600);
    await brake(line);
    expect((await state(line)).quotaFound?.ratePerSecond).toBe(60);
  });
});
