import { beforeEach, describe, expect, test } from 'vitest';
import { auditBatch, auditSince } from '../../src/ledger/audit.js';
import { joinDestructions, openBatch } from '../../src/ledger/batches.js';
import { ensureLine, lineId } from '../../src/ledger/line.js';
import type { Outcome } from '../../src/destruction.js';
import { countKnownRooms, readReportRows, type LedgerRow } from '../../src/ledger/report-rows.js';
import { readNowUs } from '../../src/ledger/sent.js';
import { newId } from '../../src/queue/destruction-id.js';
import { freshSdkAppId } from '../support/servers.js';
import { attemptEnd, destructionEnd, makeLine, request, useLedger } from './fixture.js';
import { recordEnds } from '../../src/ledger/record.js';

const ledger = useLedger();
let sdkAppId: number;
let batchId: string;

/** What was sent in the last so many milliseconds. */
async function auditLast(app: number, ms: number) {
  const fromUs = (await readNowUs(ledger.database)) - ms * 1_000;
  return auditSince(ledger.database, app, fromUs);
}

beforeEach(async () => {
  sdkAppId = freshSdkAppId();
  batchId = await openNew();
});

async function openNew(): Promise<string> {
  const id = newId();
  const batch = {
    id,
    sdkAppId,
    name: undefined,
    fingerprint: id,
    total: 10,
    madeUpName: 'a',
    by: 'ada',
    note: undefined,
  };
  await openBatch(ledger.database, batch);
  return id;
}

async function destruction(row: {
  roomId: string;
  batchId?: string | null;
  outcome?: Outcome | null;
}): Promise<string> {
  const id = newId();
  await ledger.sql(
    `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after, outcome, attempts)
     values ($1, $2, $3, $4, now(), now(), $5, 1)`,
    [
      ...[id, sdkAppId, row.roomId, row.batchId === undefined ? batchId : row.batchId],
      row.outcome === undefined ? 'failed' : row.outcome,
    ],
  );
  return id;
}

/** `sent`: seconds ago; null: never sent. `line`: its number, null: an old row. */
async function attempt(
  id: string,
  number: number,
  sent: number | null,
  { ended = true, slot = sent ?? 0, line = null as number | null } = {},
): Promise<void> {
  await ledger.sql(
    `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at, line)
     values ($1, $2, 'w', now() - $3 * interval '1 s', now() - $4 * interval '1 s', case when $5 then now() end, $6)`,
    [id, number, slot, sent, ended, line],
  );
}

async function rows(): Promise<LedgerRow[]> {
  const all: LedgerRow[] = [];
  for await (const page of readReportRows(ledger.database, batchId)) all.push(...page);
  return all;
}

const join = (destructionId: string, roomId: string) =>
  joinDestructions(ledger.database, batchId, [{ destructionId, roomId }]);

describe('the rooms of a batch', () => {
  test('come in the order of their bytes, whatever the collation of the database', async () => {
    const rooms = ['a', 'B', 'a b', '~', ' ', 'Z', 'ab', '0', 'a-b', 'A'];
    for (const roomId of rooms) await destruction({ roomId });
    expect((await rows()).map((row) => row.roomId)).toEqual([...rooms].sort());
  });

  test('more than a page of them come each once', async () => {
    await ledger.sql(
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after)
       select md5($1 || n)::uuid::text, $2, 'r' || n, $1, now(), now() from generate_series(1, 4500) n`,
      [batchId, sdkAppId],
    );
    await ledger.sql(
      `insert into room_reaper.batch_joins select $1, 'joined ' || n, 'r' || n || 'x' from generate_series(1, 4100) n`,
      [batchId],
    );
    const found = await rows();
    expect(found).toHaveLength(8_600);
    expect(new Set(found.map((row) => row.roomId)).size).toBe(8_600);
    expect(found.filter((row) => row.joined)).toHaveLength(4_100);
    expect(await countKnownRooms(ledger.database, batchId)).toBe(8_600);
  });

  test('one that was joined and then made anew counts once: what has ended, else its own', async () => {
    const lost = await destruction({ roomId: 'a', batchId: null, outcome: null });
    await join(lost, 'a');
    const own = await destruction({ roomId: 'a', outcome: null });
    expect(await rows()).toMatchObject([{ roomId: 'a', destructionId: own, joined: false }]);
    await ledger.sql(`update room_reaper.destructions set outcome = 'failed' where id = $1`, [
      lost,
    ]);
    expect(await rows()).toMatchObject([{ roomId: 'a', destructionId: lost, joined: true }]);
  });

  test('are ended, open, or waiting where the destruction that they joined was never taken up', async () => {
    await destruction({ roomId: 'a' });
    const open = await destruction({ roomId: 'b', outcome: null });
    await attempt(open, 1, 3);
    await attempt(open, 2, null, { ended: false });
    await join('never taken up', 'c');
    expect(await rows()).toMatchObject([
      { roomId: 'a', state: 'ended', outcome: 'failed', attempts: 1, joined: false },
      { roomId: 'b', state: 'open', outcome: undefined, attempts: 2, endedAttempts: 1 },
      { roomId: 'c', state: 'waiting', attempts: 0, joined: true, requestedAtMs: undefined },
    ]);
  });
});

describe('the audit', () => {
  async function lineOf(host: string): Promise<number> {
    const key = { host, sdkAppId, command: 'destroy_room' };
    await ensureLine(ledger.database, key, 5.1, 200);
    const [row] = await ledger.sql<{ number: number }>(
      'select number from room_reaper.lines where id = $1',
      [lineId(key)],
    );
    return row?.number ?? NaN;
  }

  test('a worker notes on which line it sends', async () => {
    const line = await makeLine(ledger);
    const wish = request();
    await line.grant(wish);
    const [row] = await ledger.sql(
      `select l.host from room_reaper.attempts a join room_reaper.lines l on l.number = a.line where a.destruction_id = $1`,
      [wish.id],
    );
    expect(row).toEqual({ host: 'localhost' });
    await recordEnds(ledger.database, line.sdkAppId, [
      {
        destructionId: wish.id,
        attempt: attemptEnd(),
        end: destructionEnd('destroyed'),
      },
    ]);
    const audit = await auditLast(line.sdkAppId, 60_000);
    expect(audit.hosts).toMatchObject([{ host: 'localhost', requests: 1 }]);
  });

  test('each endpoint host has a window of its own, and another app none here', async () => {
    const [one, two] = [await lineOf('one'), await lineOf('two')];
    const id = await destruction({ roomId: 'a' });
    for (const [n, line] of [one, two, one, two, two].entries())
      await attempt(id, n + 1, 10 - n / 100, { line });
    const other = await destruction({ roomId: 'b' });
    await ledger.sql('update room_reaper.destructions set sdk_app_id = 1 where id = $1', [other]);
    await attempt(other, 1, 10);
    const { hosts } = await auditLast(sdkAppId, 60_000);
    expect(hosts.map(({ host, requests, worst }) => [host, requests, worst.requests])).toEqual([
      ['one', 2, 2],
      ['two', 3, 3],
    ]);
  });

  test('attempts from before lines were noted are the only line’s, or of none where there are several', async () => {
    await lineOf('one');
    const id = await destruction({ roomId: 'a' });
    await attempt(id, 1, 10);
    expect((await auditLast(sdkAppId, 60_000)).hosts).toMatchObject([{ host: 'one', requests: 1 }]);
    await lineOf('two');
    expect((await auditLast(sdkAppId, 60_000)).hosts).toMatchObject([
      { host: undefined, requests: 1 },
    ]);
  });

  test('what was sent before its time does not count, and retries are those within it', async () => {
    await lineOf('one');
    const id = await destruction({ roomId: 'a' });
    for (const [n, ago] of [100, 50, 40, 30].entries()) await attempt(id, n + 1, ago);
    await attempt(await destruction({ roomId: 'b' }), 1, 20);
    const audit = await auditLast(sdkAppId, 60_000);
    expect(audit.hosts).toMatchObject([{ requests: 4 }]);
    const [{ firstUs, lastUs, meanRatePerSecond } = { firstUs: 0, lastUs: 0 }] = audit.hosts;
    expect((lastUs - firstUs) / 1e6).toBeGreaterThan(30);
    expect(meanRatePerSecond).toBe(3 / ((lastUs - firstUs) / 1e6));
    expect([...audit.roomsByRetries].sort()).toEqual([
      [0, 1],
      [2, 1],
    ]);
  });

  test('slots that nothing was sent in, and those without an end, are counted; what is under way is not', async () => {
    await lineOf('one');
    const id = await destruction({ roomId: 'a', outcome: null });
    await attempt(id, 1, 300);
    await attempt(id, 2, null, { slot: 200 });
    await attempt(id, 3, null, { slot: 150, ended: false });
    await attempt(id, 4, null, { slot: 1, ended: false });
    const unsent = { notSent: 1, neverEnded: 1 };
    expect(await auditLast(sdkAppId, 600_000)).toMatchObject(unsent);
    expect(await auditBatch(ledger.database, sdkAppId, batchId)).toMatchObject(unsent);
  });

  test('more than a page at one instant is one window', async () => {
    await lineOf('one');
    await ledger.sql(
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, batch_id, requested_at, not_after)
       select md5($1 || n)::uuid::text, $2, 'r' || n, $1, now(), now() from generate_series(1, 12000) n`,
      [batchId, sdkAppId],
    );
    await ledger.sql(
      `insert into room_reaper.attempts (destruction_id, attempt, worker_id, slot_at, sent_at, ended_at)
       select id, 1, 'w', t, t, t from room_reaper.destructions, lateral (select now() - interval '5 s' as t) x where batch_id = $1`,
      [batchId],
    );
    const audit = await auditBatch(ledger.database, sdkAppId, batchId);
    expect(audit.hosts).toMatchObject([{ requests: 12_000, worst: { requests: 12_000 } }]);
    expect([...audit.roomsByRetries]).toEqual([[0, 12_000]]);
  });
});
