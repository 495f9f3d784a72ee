/** Asking again for what is not gone, from the ledger. */
import { expect, test } from 'vitest';
import { replay } from '../../src/operations/replay.js';
import { protectedRooms } from '../../src/protected-rooms.js';
import { withTestService } from '../operations/service.js';
import type { ScriptedAnswer } from '../support/counting-server.js';
import { openTestQueue } from './queue.js';
import { folderWith, run, startInside, type RunOptions } from './room-reaper.js';
import {
  lines,
  openStage,
  postgresOnly,
  readDestructions,
  redisAndPostgres,
  roomIds,
} from './stage.js';

const code = (number: number, times = 1): ScriptedAnswer[] =>
  Array.from({ length: times }, () => ({ kind: 'code', code: number }));

/** Rooms that fail in several ways, and then do not any more. */
const scripts: Record<string, ScriptedAnswer[]> = {
  ...Object.fromEntries(roomIds(4, 'internal').map((room) => [room, code(100001, 3)])),
  ...Object.fromEntries(roomIds(2, 'timeout').map((room) => [room, code(60008, 3)])),
  ...Object.fromEntries(roomIds(3, 'refused').map((room) => [room, code(100006)])),
};
const all = [...Object.keys(scripts), ...roomIds(5, 'fine')];

interface ReplayJson {
  batchId: string;
  name: string;
  parentId: string | null;
  added: number;
  pending: number;
  rooms: number;
  seconds: number;
  plan: { fate: string; outcome: string; errorCode: number | null; rooms: number }[];
}

async function openFailures(stores: typeof redisAndPostgres = redisAndPostgres) {
  const { server, env, sdkAppId } = await openStage({ scripts });
  const variables = await stores();
  const options = {
    cwd: folderWith({ 'rooms.txt': lines(all) }),
    env: { ...env, ...variables, LATER_RETRIES: '0' },
  };
  const first = await run(['destroy', 'rooms.txt', '--batch', 'evening', '--json'], options);
  expect(first.code, first.stderr).toBe(1);
  const { batchId, outcomes } = JSON.parse(first.stdout) as { batchId: string; outcomes: object };
  expect(outcomes).toMatchObject({ destroyed: 5, failed: 6, rejected: 3 });
  const queue = await openTestQueue(sdkAppId, variables.QUEUE_URL);
  return { server, options, batchId, queue, sdkAppId, databaseUrl: variables.DATABASE_URL };
}

async function replayed(args: readonly string[], options: RunOptions): Promise<ReplayJson> {
  const ended = await run(['replay', ...args, '--json'], options);
  expect(ended.code, ended.stderr).toBe(0);
  return JSON.parse(ended.stdout) as ReplayJson;
}

/** Works until the batch has ended. */
async function work(options: RunOptions, batchId: string): Promise<void> {
  const worker = startInside(['worker'], options);
  await expect
    .poll(
      async () => {
        const { stdout } = await run(['status', '--batch', batchId, '--json'], options);
        return (JSON.parse(stdout) as { batches: { finishedAt?: string }[] }).batches[0]
          ?.finishedAt;
      },
      { timeout: 60_000, interval: 200 },
    )
    .toBeDefined();
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
}

test.each([
  ['Redis', redisAndPostgres],
  ['Postgres', postgresOnly],
])('a mixed failure is replayed as a batch of its own, on %s', async (_, stores) => {
  const { server, options, batchId, queue, databaseUrl } = await openFailures(stores);
  expect(await queue.getFailedCount()).toBe(9);

  const dry = await run(['replay', '--batch', 'evening', '--dry-run'], options);
  expect(dry.code, dry.stderr).toBe(0);
  expect(dry.stdout).toMatch(/^ *4 {2}failed 100001: internal error of the API +replayed$/m);
  expect(dry.stdout).toMatch(/^ *2 {2}failed 60008: service timed out +replayed$/m);
  expect(dry.stdout).toMatch(/^ *3 {2}rejected 100006: .* left out: the API refused .* --force/m);
  expect(dry.stdout).toMatch(/^6 rooms: \d+ s; done \d\d:\d\d:\d\d UTC\S* if nothing else comes$/m);
  expect((await queue.getJobCounts('prioritized'))['prioritized']).toBe(0);

  const again = await replayed(['--batch', 'evening', '--by', 'ada', '--note', 'again'], options);

  expect(again).toMatchObject({ parentId: batchId, added: 6, pending: 0, rooms: 6 });
  // The failed set holds what was not replayed, and nothing else.
  expect((await queue.getFailed()).map((job) => job.data.r).sort()).toEqual(roomIds(3, 'refused'));
  // While it waits on the queue the same command finds nothing new to do twice.
  expect(await replayed(['--batch', 'evening'], options)).toMatchObject({ added: 0, pending: 6 });

  await work(options, again.batchId);
  const status = await run(['status', '--batch', again.batchId, '--json'], options);
  expect(JSON.parse(status.stdout)).toMatchObject({
    batches: [
      {
        ...{ total: 6, finished: 6, by: 'ada', note: 'again', parentId: batchId },
        replayOf: `--batch ${batchId}`,
        outcomes: { destroyed: 6 },
        finishedAt: expect.any(String) as string,
      },
    ],
  });
  // Gone by now: there is nothing left of them to replay.
  const { plan } = JSON.parse(
    (await run(['replay', '--batch', 'evening', '--dry-run', '--json'], options)).stdout,
  ) as ReplayJson;
  expect(plan.map(({ fate, rooms }) => [fate, rooms])).toEqual(
    expect.arrayContaining([
      ['refused', 3],
      ['gone', 6],
    ]),
  );
  const { rooms } = await server.report();
  for (const room of roomIds(4, 'internal')) expect(rooms[room]?.requests).toBe(4);
  for (const room of roomIds(3, 'refused')) expect(rooms[room]?.requests).toBe(1);
  expect((await readDestructions(databaseUrl)).get('internal-0000')?.outcome).toBe('destroyed');
});

test('by code, by outcome, by room and by time; what was refused for good only with --force', async () => {
  const { server, options } = await openFailures();
  const chosen = async (...args: string[]) =>
    JSON.parse(
      (await run(['replay', ...args, '--dry-run', '--json'], options)).stdout,
    ) as ReplayJson;

  expect(await chosen('--code', '100001')).toMatchObject({ rooms: 4 });
  expect(await chosen('--code', '100001', '--code', '60008')).toMatchObject({ rooms: 6 });
  expect(await chosen('--outcome', 'failed')).toMatchObject({ rooms: 6 });
  expect(await chosen('--outcome', 'expired')).toMatchObject({ rooms: 0, plan: [] });
  expect(await chosen('--since', '1h')).toMatchObject({ rooms: 6 });
  expect(await chosen('--since', '0.001s')).toMatchObject({ rooms: 0, plan: [] });
  expect(await chosen('--room', 'internal-0001', '--room', 'fine-0001')).toMatchObject({
    rooms: 1,
  });
  expect(await chosen('--all')).toMatchObject({ rooms: 6 });
  expect(await chosen('--all')).toMatchObject({ seconds: expect.closeTo(6 * 0.0051, 0) as number });

  const refused = await run(['replay', '--code', '100006'], options);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/refused for good and would be refused again; add --force/);
  const forced = await replayed(['--code', '100006', '--force'], options);
  expect(forced).toMatchObject({ added: 3 });
  await work(options, forced.batchId);
  const { rooms } = await server.report();
  for (const room of roomIds(3, 'refused')) expect(rooms[room]?.destroyed).toBe(true);
});

test('what was cancelled is asked for again only when that is said', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  await run(['enqueue', '-', '--batch', 'night'], { ...options, stdin: lines(roomIds(3)) });
  await run(['cancel', 'night'], options);

  const left = await run(['replay', '--batch', 'night', '--json'], options);
  expect(left.code).toBe(0);
  expect(JSON.parse(left.stdout)).toMatchObject({
    batchId: null,
    plan: [{ fate: 'cancelled', rooms: 3 }],
  });
  expect(await replayed(['--batch', 'night', '--outcome', 'cancelled'], options)).toMatchObject({
    added: 3,
  });
});

test('protected rooms stop a replay, or are left out', async () => {
  const { options } = await openFailures();
  const guarded = ['replay', '--all', '--protect', 'timeout-*'];
  const refused = await run(guarded, options);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/^timeout-0000 is protected$/m);
  expect(refused.stderr).toMatch(/2 protected rooms; nothing was sent/);
  expect((await run([...guarded, '--skip-protected'], options)).code).toBe(0);
});

test('an interrupted replay is gone on with, but not where other rooms are protected by now', async () => {
  const { options, batchId } = await openFailures();
  // As far as it came: the rooms are chosen, and none of them is on the queue.
  const begun = await withTestService(options.env, (service) =>
    replay(
      service,
      {
        ...{ name: undefined, by: 'ada', note: undefined, batchId, origin: `--batch ${batchId}` },
        ...{ codes: undefined, outcomes: undefined, endedFromMs: undefined, roomIds: undefined },
        ...{ force: false, protectedRooms: protectedRooms([]) },
      },
      undefined,
      { onProgress: () => undefined, signal: AbortSignal.abort() },
    ),
  );
  expect(begun?.complete).toBe(false);
  const { id, name } = begun?.batch ?? {};
  const which = new RegExp(`batch ${id} \\(${name}\\) of 6 rooms`);

  const dryRun = await run(['replay', '--batch', batchId, '--dry-run'], options);
  expect(dryRun.stderr).toMatch(/without --dry-run this goes on with/);
  expect(dryRun.stderr).toMatch(which);
  const guarded = ['--batch', batchId, '--protect', 'timeout-*', '--skip-protected'];
  const other = await replayed(guarded, options);
  expect(other.added).toBe(4);
  expect(other.batchId).not.toBe(id);

  const goneOn = await run(['replay', '--batch', batchId, '--json'], options);
  expect(goneOn.stderr).toMatch(/^going on with/);
  expect(goneOn.stderr).toMatch(which);
  const counts = { batchId: id, added: 2, pending: 4, finished: 0, rooms: 6 };
  expect(JSON.parse(goneOn.stdout)).toEqual({ ...counts, name, parentId: batchId });
});

test.each([
  ['nothing chosen', [], /nothing to replay; choose by .* or everything that failed with --all/],
  ['--all beside a choice', ['--all', '--since', '1h'], /--all must stand alone/],
  ['an outcome that is gone', ['--outcome', 'destroyed'], /--outcome must be failed, expired/],
  ['a code that is none', ['--code', 'x'], /--code must be an ErrorCode/],
  ['a time that is none', ['--since', 'today'], /--since must be a duration/],
])('replay refuses %s', async (_, args, message) => {
  const ended = await run(['replay', ...args], { env: { TENCENT_SDK_APP_ID: '1400000001' } });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(message);
});
