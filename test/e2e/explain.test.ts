import { expect, test } from 'vitest';
import { columnsOf } from '../../src/layout.js';
import { withPostgres } from '../support/servers.js';
import { run } from './room-reaper.js';
import {
  folderWithDatabase,
  keepOpen,
  lines,
  openStage,
  postgresOnly,
  redisAndPostgres,
  roomIds,
  totalsInLedger,
} from './stage.js';

const stores = [
  ['Redis and Postgres', redisAndPostgres],
  ['Postgres alone', postgresOnly],
] as const;

test.each(stores)(
  'explain says what became of each room, and where one waits (%s)',
  async (_name, open) => {
    const { server, env } = await openStage({
      scripts: {
        lost: [{ kind: 'cut', acts: true }],
        refused: [{ kind: 'code', code: 100006 }],
        unknown: [{ kind: 'unknown' }],
      },
    });
    const options = { env: { ...env, ...(await open()) } };
    const explain = async (roomId: string) => {
      const ended = await run(['explain', roomId, '--json'], options);
      expect(ended.code, ended.stderr).toBe(0);
      return JSON.parse(ended.stdout) as Record<string, unknown>;
    };
    const rooms = ['usual', 'lost', 'refused', 'unknown'];
    const { code } = await run(['destroy', '-', '--batch', 'evening'], {
      ...options,
      stdin: lines(rooms),
    });
    expect(code).toBe(1);
    const report = await server.report();

    const usual = await explain('usual');
    const room = report.rooms['usual'];
    if (room === undefined) throw new Error('the server never saw the room');
    const totals = totalsInLedger(room);
    expect(usual).toMatchObject({
      summary: expect.stringMatching(
        /^destroyed at \S+ UTC\S* by attempt 1; statistics saved$/,
      ) as string,
      line: { host: new URL(server.url).host, state: 'running', paused: false },
      destructions: [
        {
          ...{ outcome: 'destroyed', statisticsSource: 'response', batch: { name: 'evening' } },
          statistics: {
            totalViewers: Number(totals.total_viewers),
            totalLikesReceived: Number(totals.total_likes_received),
          },
          attempts: [
            {
              ...{ attempt: 1, httpStatus: 200, errorCode: 0, verdict: 'destroyed' },
              requestId: report.requests.find(({ roomId }) => roomId === 'usual')?.requestId,
            },
          ],
        },
      ],
      olderDestructions: 0,
    });
    expect(await explain('lost')).toMatchObject({
      summary: expect.stringMatching(/its statistics were lost on the way$/) as string,
      destructions: [
        {
          outcome: 'destroyed_statistics_lost',
          attempts: [
            { verdict: 'transient', mayHaveActed: true },
            { verdict: 'gone', errorCode: 100004, mayHaveActed: false },
          ],
        },
      ],
    });
    expect(await explain('refused')).toMatchObject({
      summary: expect.stringMatching(/refused it for good .* \(100006\)$/) as string,
      destructions: [
        {
          ...{ outcome: 'rejected', errorInfo: 'said code 100006' },
          job: { state: 'failed', reason: expect.stringContaining('rejected') as string },
        },
      ],
    });
    expect(await explain('unknown')).toMatchObject({ destructions: [{ outcome: 'already_gone' }] });

    const queued = { ...options, stdin: lines(roomIds(300)) };
    expect((await run(['enqueue', '-'], queued)).code).toBe(0);
    const soon = ['enqueue', '--room', 'usual', '--delay', '30m'];
    expect((await run(soon, options)).code).toBe(0);

    expect(await explain('room-0299')).toMatchObject({
      summary: expect.stringMatching(/^waiting: 299 rooms ahead in the bulk lane/) as string,
      pending: { state: 'waiting', lane: 'bulk', ahead: 299, exact: true, takenUp: false },
      destructions: [],
    });
    // Asked for again: pending, and what became of it before is still told.
    expect(await explain('usual')).toMatchObject({
      summary: expect.stringMatching(
        /^not due yet: due in (30 min 00|29 min \d\d) s, at /,
      ) as string,
      pending: { state: 'delayed', lane: 'normal' },
      destructions: [{ outcome: 'destroyed' }],
    });
    expect((await run(['pause', '--by', 'ana', '--note', 'maintenance'], options)).code).toBe(0);
    expect(await explain('room-0000')).toMatchObject({
      summary: expect.stringMatching(
        /^waiting: the queue is paused since \S+ \S+ by ana: maintenance; run/,
      ) as string,
      line: { state: 'paused', paused: true, pause: { by: 'ana', note: 'maintenance' } },
    });
    const text = await run(['explain', 'refused'], options);
    expect(text.stdout).toMatch(/^refused: not destroyed: the API refused it for good/);
    expect(text.stdout).toMatch(/^ {2}attempt 1: slot .*, code 100006, rejected: no permission/m);
    expect(text.stdout).toMatch(
      /^line of 127\.0\.0\.1:\d+: paused since \S+ \S+ by ana: maintenance, 196\.1 requests\/s/m,
    );
    // It asked, and sent nothing.
    expect((await server.report()).requests).toHaveLength(report.requests.length);
  },
  90_000,
);

test(
  'explain works on the embedded default, also for a room that nobody asked for',
  { timeout: 90_000 },
  async () => {
    const { env } = await openStage();
    const options = { cwd: await folderWithDatabase(), env };
    await keepOpen(options.cwd);
    expect((await run(['enqueue', '--room', 'one', '--room', 'two'], options)).code).toBe(0);

    const two = await run(['explain', 'two'], options);
    const never = await run(['explain', 'never', '--json'], options);

    expect(two.code, two.stderr).toBe(0);
    expect(two.stdout).toMatch(
      /^two: waiting: 1 room ahead in the normal lane; no worker has run yet; start one with `room-reaper worker`$/m,
    );
    expect(two.stdout).toMatch(
      /^destruction [0-9a-f-]{36}: waiting in the normal lane, never taken up$/m,
    );
    expect(never.code, never.stderr).toBe(0);
    expect(JSON.parse(never.stdout)).toMatchObject({
      summary: expect.stringMatching(/^nothing is known of this room/) as string,
      destructions: [],
    });
  },
);

test('a stopped line is why a room waits: with the code and what to do', async () => {
  const { env } = await openStage();
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  const wrong = { ...options.env, TENCENT_SECRET_KEY: 'wrong-key-'.repeat(6) };
  expect((await run(['destroy', '-'], { env: wrong, stdin: lines(roomIds(3)) })).code).toBe(3);

  const ended = await run(['explain', 'room-0001'], options);

  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toMatch(
    /^room-0001: waiting: the line is stopped: UserSig was made with the wrong key \(70009\), said by worker \S+:\d+; check .*TENCENT_SECRET_KEY/,
  );

  // Its sentences are longer than a terminal is wide; a pipe has them whole.
  const widest = ({ stdout }: { stdout: string }) => Math.max(...stdout.split('\n').map(columnsOf));
  for (const args of [['explain', 'room-0001'], ['status']]) {
    expect(widest(await run(args, options))).toBeGreaterThan(60);
    const narrow = await run(args, { ...options, columns: 60 });
    expect(narrow.stdout).toContain('UserSig');
    expect(widest(narrow)).toBeLessThanOrEqual(60);
  }
});

test('a destruction that the ledger has open and the queue does not know is told', async () => {
  const { sdkAppId, env } = await openStage();
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  expect((await run(['explain', 'lost'], options)).code).toBe(0);
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after)
       values ('01a2073e-32c4-70d0-899f-5e9c7571380b', $1, 'lost', now(), now() + interval '1 day')`,
      [sdkAppId],
    ),
  );
  const ended = await run(['explain', 'lost'], options);
  expect(ended.stdout).toMatch(/^lost: open in the ledger, and its job is not on the queue/);
});

test.each([
  ['an id of 49 bytes', 'x'.repeat(49)],
  ['an empty id', ''],
  ['an id beyond ASCII', 'café'],
])('%s is a usage error', async (_what, roomId) => {
  const { env } = await openStage();
  const ended = await run(['explain', roomId], { env });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(/RoomId must be 1–48 bytes of printable ASCII/);
});
