/** A room that was created again: told in words of its own wherever an outcome is told. */
import { expect, test } from 'vitest';
import { joinDestructions, markEnqueued, openBatch } from '../../src/ledger/batches.js';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import { newId } from '../../src/queue/destruction-id.js';
import { destructionEnd } from '../ledger/fixture.js';
import { withTestService } from '../operations/service.js';
import { run } from './room-reaper.js';
import { openStage, redisAndPostgres } from './stage.js';

const why = 'it was created again';

/** A batch of one room that is gone and one that was created again, and another that waited for the latter. */
async function openRecreated() {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  await withTestService(options.env, async ({ database, config: { sdkAppId } }) => {
    const now = Date.now();
    const [evening, morning] = [newId(), newId()];
    for (const [id, name, total] of [
      [evening, 'evening', 2],
      [morning, 'morning', 1],
    ] as const) {
      await openBatch(database, {
        ...{ id, sdkAppId, name, madeUpName: name, fingerprint: id, total },
        ...{ by: 'ada', note: undefined, precautions: { onlyCreatedBeforeMs: now - 1_000 } },
      });
    }
    const ends = { gone: 'destroyed', again: 'recreated' } as const;
    const all = (['gone', 'again'] as const).map((roomId) => ({
      ...{ id: newId(), roomId, batchId: evening, requestedAtMs: now },
      notAfterMs: now + 3_600_000,
    }));
    await ensureDestructions(database, sdkAppId, all);
    await joinDestructions(database, morning, [
      { destructionId: all[1]?.id ?? '', roomId: 'again' },
    ]);
    const noCode = { errorCode: undefined, errorInfo: why };
    await recordEnds(
      database,
      sdkAppId,
      all.map(({ id, ...destruction }) => ({
        ...{ destructionId: id, destruction, attempt: undefined },
        end: destructionEnd(
          ends[destruction.roomId],
          destruction.roomId === 'again' ? noCode : undefined,
        ),
      })),
    );
    await markEnqueued(database, evening);
    await markEnqueued(database, morning);
  });
  return (...args: string[]) => run(args, options);
}

test('reports, lists and explanations say so, and it is no room that is gone', async () => {
  const reaper = await openRecreated();
  const table = await reaper('report', 'evening');
  expect(table.code).toBe(1);
  expect(table.stdout).toMatch(/again {2,}recreated/);
  expect(table.stdout).toMatch(/created again, not destroyed +1\n/);
  expect(table.stdout).toContain(
    `recreated: ${why} (1 room, such as again)\n    another room has its RoomId now: ask for it anew`,
  );
  const json = JSON.parse((await reaper('report', 'evening', '--format', 'json')).stdout) as object;
  expect(json).toMatchObject({
    rooms: [{ roomId: 'again', outcome: 'recreated', totalViewers: null }, { roomId: 'gone' }],
    summary: { total: 2, open: 0, outcomes: { destroyed: 1, recreated: 1, failed: 0 } },
  });
  const csv = await reaper('report', 'evening', '--format', 'csv');
  expect(csv.stdout).toMatch(/^again,recreated,/m);
  expect((await reaper('report', 'evening', '--format', 'ndjson')).stdout).toContain(
    '"outcome":"recreated"',
  );
  const html = await reaper('report', 'evening', '--format', 'html');
  expect(html.stdout).toMatch(/dot-recreated[^>]*><\/span>created again, not destroyed/);
  const part = await reaper('report', 'evening', '--outcome', 'recreated', '--format', 'csv');
  expect(part).toMatchObject({ code: 1, stdout: expect.not.stringContaining('gone') as string });

  expect((await reaper('explain', 'again')).stdout).toContain(
    'not destroyed: a room was created again under this id',
  );
  const status = await reaper('status');
  expect(status.stdout).toContain('1 destroyed, 1 recreated');
  expect(status.stdout).toMatch(/ {2}rooms created after .* are left alone/);
  const batches = await reaper('batches', '--json');
  // It counts for the batch that waited for it, too.
  expect(JSON.parse(batches.stdout)).toMatchObject({
    batches: [
      { name: 'morning', state: 'finished', outcomes: { recreated: 1 } },
      { name: 'evening', state: 'finished', outcomes: { destroyed: 1, recreated: 1 } },
    ],
  });

  const plan = await reaper('replay', '--batch', 'evening', '--dry-run');
  expect(plan).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /^ {2}1 {2}recreated: .* left out: created again since, so it is another room; ask for it anew\n$/,
    ) as string,
  });
  const asked = await reaper('replay', '--outcome', 'recreated');
  expect(asked).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('or were created again, are not replayed') as string,
  });
});
