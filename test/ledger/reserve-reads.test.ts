/** Slots of the commands that only read: each line its own, and one stop that holds them all. */
import { describe, expect, test } from 'vitest';
import {
  brakeLine,
  ensureLine,
  firstProbePauseMs,
  lineId,
  resumeLine,
  stopLine,
} from '../../src/ledger/line.js';
import { reserveReads, type ReadReservation } from '../../src/ledger/reserve-reads.js';
import { makeLine, request, requests, slotsOf, useLedger, type Line } from './fixture.js';

const ledger = useLedger();

const wrongKey = { code: 70003, reason: 'UserSig is illegal', remedy: undefined };

/** The line of a command of the same app and host. */
async function readLine(destroy: Line, command: string, ratePerSecond: number) {
  const key = { ...destroy.key, command };
  const intervalMs = 1_020 / ratePerSecond;
  await ensureLine(ledger.database, key, intervalMs, ratePerSecond);
  const line = {
    id: lineId(key),
    intervalMs,
    async reserve(count: number, worker = 'worker-1'): Promise<(ReadReservation | undefined)[]> {
      const result = await reserveReads(
        ledger.database,
        {
          ...{ lineId: line.id, sdkAppId: destroy.sdkAppId, workerId: worker, intervalMs },
          ...{ windowSlots: ratePerSecond, leadMs: 0, answeredAtMs: undefined, moved: [] },
          newestSlotMs: undefined,
        },
        Array.from({ length: count }, () => ({})),
      );
      return result.reservations;
    },
    async letPass(ms: number): Promise<void> {
      await ledger.sql(
        `update room_reaper.lines
            set recent = array(select x - $2::float8 from unnest(recent) with ordinality r (x, n) order by n),
                not_before = not_before - $2 * interval '1 millisecond', probe_at = probe_at - $2 * interval '1 millisecond'
          where id = $1`,
        [line.id, ms],
      );
    },
  };
  await line.letPass(10_000);
  return line;
}

const granted = (reservations: readonly (ReadReservation | undefined)[]) =>
  reservations.flatMap((each) => (each?.kind === 'granted' ? [each.slotAtMs] : []));
const kinds = (reservations: readonly (ReadReservation | undefined)[]) =>
  reservations.map((each) => each?.kind);

test('each command has its own window, whatever the others send', async () => {
  const destroy = await makeLine(ledger);
  const lists = await readLine(destroy, 'get_room_list', 10);
  const stats = await readLine(destroy, 'get_room_stats', 100);
  const [destroys, pages, totals] = await Promise.all([
    destroy.reserve(requests(200)),
    lists.reserve(25),
    stats.reserve(150),
  ]);
  expect(slotsOf(destroys)).toHaveLength(200);
  for (const [slots, ratePerSecond] of [
    [granted(pages), 10],
    [granted(totals), 100],
  ] as const) {
    expect(slots.length).toBeGreaterThan(ratePerSecond);
    for (const [index, slot] of slots.entries()) {
      const earlier = slots[index - ratePerSecond];
      if (earlier !== undefined) expect(slot - earlier).toBeGreaterThanOrEqual(1_020);
    }
  }
});

test('nothing is recorded of what only reads', async () => {
  const stats = await readLine(await makeLine(ledger), 'get_room_stats', 100);
  await stats.reserve(3);
  const rows = await ledger.sql(
    'select 1 from room_reaper.attempts a join room_reaper.lines l on l.number = a.line where l.id = $1',
    [stats.id],
  );
  expect(rows).toEqual([]);
});

describe('a brake and a stop', () => {
  test('of one command hold that one alone', async () => {
    const destroy = await makeLine(ledger);
    const stats = await readLine(destroy, 'get_room_stats', 100);
    const info = await readLine(destroy, 'get_room_info', 200);
    await brakeLine(ledger.database, info.id, info.intervalMs, 'over quota');
    await stopLine(ledger.database, stats.id, {
      ...{ code: 60009, reason: 'the requested resource is wrong', remedy: undefined },
    });
    expect(await stats.reserve(2)).toMatchObject([
      { kind: 'stopped', isApp: false, line: { code: 60009 } },
      { kind: 'stopped', isApp: false },
    ]);
    const [slot, next] = granted(await info.reserve(2));
    expect((next ?? 0) - (slot ?? 0)).toBeGreaterThan(1.5 * info.intervalMs);
    const slots = slotsOf(await destroy.reserve(requests(10)));
    expect((slots.at(-1) ?? 0) - (slots[0] ?? 0)).toBeLessThan(10 * destroy.intervalMs);
  });

  test('of destroy_room alone leave the others', async () => {
    const destroy = await makeLine(ledger);
    const info = await readLine(destroy, 'get_room_info', 200);
    await stopLine(ledger.database, destroy.id, { ...wrongKey, reason: 'many rejected' });
    expect(kinds(await info.reserve(2))).toEqual(['granted', 'granted']);
  });

  test('of the app hold all until a probe, which may be one that reads', async () => {
    const destroy = await makeLine(ledger);
    const info = await readLine(destroy, 'get_room_info', 200);
    const stats = await readLine(destroy, 'get_room_stats', 100);
    await stopLine(ledger.database, destroy.id, { ...wrongKey, holdsAll: true });
    for (const line of [info, stats]) {
      expect(await line.reserve(1)).toMatchObject([
        { kind: 'stopped', isApp: true, line: { code: 70003, reason: 'UserSig is illegal' } },
      ]);
    }
    await destroy.letPass(firstProbePauseMs);
    expect(await info.reserve(2, 'worker-2')).toMatchObject([
      { kind: 'granted', probe: 'stop', probesApp: true },
      { kind: 'stopped', isApp: true },
    ]);
    // It was spent: neither another command nor destroy_room has one of its own.
    expect(kinds(await stats.reserve(1, 'worker-3'))).toEqual(['stopped']);
    expect((await destroy.reserve([request()])).reservations).toMatchObject([{ kind: 'stopped' }]);
    await resumeLine(ledger.database, destroy.id);
    expect(kinds(await stats.reserve(2))).toEqual(['granted', 'granted']);
  });
});
