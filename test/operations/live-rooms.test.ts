/** Which rooms are live: read from the API's list, and those of a batch that live on. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config.js';
import type { Outcome } from '../../src/destruction.js';
import { joinDestructions, openBatch } from '../../src/ledger/batches.js';
import { ensureLine, lineId, probeNow, readLines, stopLine } from '../../src/ledger/line.js';
import { ensureDestructions, recordEnds } from '../../src/ledger/record.js';
import { listRooms, type ListWish } from '../../src/operations/live-rooms-text.js';
import { openService, type Service } from '../../src/operations/service.js';
import { addDestructions } from '../../src/producer/add.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import { run, startInside } from '../e2e/room-reaper.js';
import { openStage, roomIds, type Stage } from '../e2e/stage.js';
import { destructionEnd } from '../ledger/fixture.js';
import { afterThisTest } from '../support/clean-up.js';
import { createDatabase, freshRedis, withPostgres } from '../support/servers.js';

const stores = { QUEUE_URL: '', DATABASE_URL: '' };
const drops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  const [redis, database] = await Promise.all([freshRedis(), createDatabase()]);
  drops.push(redis.drop, database.drop);
  Object.assign(stores, { QUEUE_URL: redis.url, DATABASE_URL: database.url });
});
afterAll(async () => {
  await Promise.all(drops.map((drop) => drop()));
});

const seconds = (iso: string) => Date.parse(iso) / 1_000;

/** An app whose API lists rooms, and the service that a command would open for it. */
async function openApp(options: Parameters<typeof openStage>[0]) {
  const stage = await openStage(options);
  const env: Record<string, string> = { ...stage.env, ...stores };
  const config = readConfig(env, { app: true, credentials: true });
  const ignore = () => undefined;
  const service = await openService(config, { onNotice: ignore, onQueueError: ignore });
  afterThisTest(() => service.close());
  return { ...stage, env, service };
}

/** All rooms that are meant, in the order in which they came, and what the reading came to. */
async function listed(service: Service, wish: ListWish = {}, afterPage?: (n: number) => unknown) {
  const pages = listRooms(service, wish);
  const ids: string[] = [];
  let page = await pages.next();
  for (; page.done !== true; page = await pages.next()) {
    ids.push(...page.value.rooms.map(({ roomId }) => roomId));
    await afterPage?.(page.value.pages);
  }
  return { ids, end: page.value };
}

const asked = async ({ server }: Pick<Stage, 'server'>) =>
  (await server.report()).commands.get_room_list.requests.length;

/** `count` public rooms, the first with most viewers; all of one evening. */
function publicRooms(count: number) {
  return Object.fromEntries(
    roomIds(count, 'live').map((id, index) => [
      id,
      { viewCount: 1_000 - index, owner: 'ada', createTime: seconds('2025-11-30T20:00:00Z') },
    ]),
  );
}

test('every public room is listed once, filtered and written as it is asked for', async () => {
  const { env, service, server } = await openApp({
    rooms: {
      ...publicRooms(22),
      late: {
        viewCount: 5,
        owner: 'eve',
        name: 'a, "b"\n=c',
        createTime: seconds('2025-11-30T23:00:00Z'),
      },
      'other-1': { viewCount: 7, owner: 'eve', createTime: seconds('2025-11-30T22:59:59Z') },
      timeless: { viewCount: 6, owner: 'ada', createTime: 0 },
      hidden: { viewCount: 9_000, isPublic: false },
    },
  });
  const all = await listed(service);
  expect(all.ids).toEqual([...roomIds(22, 'live'), 'other-1', 'timeless', 'late']);
  // A second pass shows that nothing moved.
  expect(all.end).toEqual({ pass: 2, pages: 4, seen: 25, unreadable: 0, movedOn: false });

  const eleven = Date.parse('2025-11-30T23:00:00Z');
  const which = async (wish: ListWish) => (await listed(service, wish)).ids;
  expect(await which({ createdBeforeMs: eleven, owner: 'eve' })).toEqual(['other-1']);
  expect(await which({ createdAfterMs: eleven - 1_000 })).toEqual(['late']);
  expect(await which({ createdBeforeMs: eleven, match: '*e*s' })).toEqual([]);
  expect(await which({ match: '*e*s' })).toEqual(['timeless']);
  expect(await which({ minViews: 999 })).toEqual(['live-0000', 'live-0001']);

  const reaper = (...args: string[]) => run(['rooms', ...args], { env });
  const lines = await reaper('--owner', 'eve', '--created-before', '2025-12-01T05:00+08:00');
  // Nobody is of the evening's first hours and of that owner.
  expect(lines).toMatchObject({ code: 0, stdout: '' });
  expect(lines.stderr).toContain('0 of 25 rooms that are listed\nrooms that are not public');
  const csv = await reaper('--owner', 'eve', '--format', 'csv');
  expect(csv.stdout).toBe(
    'room_id,name,owner,created_at,views\r\n' +
      'other-1,name of other-1,eve,2025-11-30T22:59:59.000Z,7\r\n' +
      'late,"a, ""b""\\u000a=c",eve,2025-11-30T23:00:00.000Z,5\r\n',
  );
  const ndjson = await reaper('--match', 'timeless', '--format', 'ndjson');
  expect(JSON.parse(ndjson.stdout)).toEqual({
    ...{ roomId: 'timeless', name: 'name of timeless', owner: 'ada', views: 6 },
  });
  const table = await run(['rooms', '--match', 'l*e'], { env, columns: 200 });
  expect(table.stdout).toMatch(
    /^room +created +viewers +owner +name\nlate +2025-1\d-\d\d \d\d:00:00 UTC\S* +5 +eve/,
  );

  const before = (await server.report()).commands.get_room_list;
  expect(before.worstWindow).toBeLessThanOrEqual(10);
  for (const [flags, said] of [
    [['--match', 'a b?'], /match must be a RoomId or a pattern/],
    [
      ['--created-after', '2025-11-30T23:00Z', '--created-before', '2025-11-30T22:00Z'],
      /created-after must be a time before/,
    ],
    [['--min-views', '-1'], /--min-views must be a whole number, got "-1"/],
    [['--format', 'xml'], /--format must be lines, ndjson, csv or table, got "xml"/],
    [['--survivors', 'no-such'], /batch must be the id or name of a batch, got "no-such"/],
  ] as const) {
    expect(await reaper(...flags)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(said) as string,
    });
  }
  const keyless = await run(['rooms'], { env: { ...env, TENCENT_SECRET_KEY: '' } });
  expect(keyless).toMatchObject({ code: 2, stdout: '' });
  // Nothing was asked for what cannot be meant.
  expect(await asked({ server })).toBe(before.requests.length);
});

test('a list that moves while it is read is read again, and says where it moves still', async () => {
  const { service, server } = await openApp({ rooms: publicRooms(25) });
  const { ids, end } = await listed(service, {}, async (pages) => {
    // What follows moves up: room 20 is on the page that was read.
    if (pages === 1) await server.end('live-0003');
    if (pages === 4) await server.recreate('new');
  });
  expect(ids).toHaveLength(26);
  expect(new Set(ids)).toEqual(new Set([...roomIds(25, 'live'), 'new']));
  // In the second pass, though it was there in the first.
  expect(ids.indexOf('live-0020')).toBe(24);
  expect(end).toEqual({ pass: 3, pages: 6, seen: 26, unreadable: 0, movedOn: true });
});

test('over quota it brakes its own line, and a stale signature is replaced', async () => {
  const app = await openApp({
    rooms: publicRooms(45),
    commands: { get_room_list: { quotaPerSecond: 4 } },
  });
  const { ids } = await listed(app.service, {}, (pages) =>
    pages === 1 ? app.server.invalidateSignatures() : undefined,
  );
  expect(ids).toEqual(roomIds(45, 'live'));
  const { requests } = (await app.server.report()).commands.get_room_list;
  const codes = requests.map(({ errorCode }) => errorCode);
  expect(codes.filter((code) => code === 0)).toHaveLength(6);
  expect(codes.filter((code) => code === 70052)).toHaveLength(1);
  expect(codes).toContain(60007);
  const { rows } = await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(
      'select command, braked_at is not null as braked from room_reaper.lines where sdk_app_id = $1',
      [app.sdkAppId],
    ),
  );
  expect(rows).toEqual([
    { command: expect.stringMatching(/get_room_list$/) as string, braked: true },
  ]);
});

test('a wrong key is told at once and stops nothing; a stop of the whole app holds the list', async () => {
  const { env, service, ...app } = await openApp({ rooms: publicRooms(3) });
  const wrong = await run(['rooms'], { env: { ...env, TENCENT_SECRET_KEY: 'a'.repeat(64) } });
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toMatch(
    /the API refuses to tell which rooms are live: .*; check TENCENT_SDK_APP_ID, .* against the console\n$/,
  );
  const requests = await asked(app);
  expect(requests).toBeLessThanOrEqual(2);
  const { database, lineKey, intervalMs } = service;
  const id = lineId(lineKey);
  const isStopped = async () =>
    (await readLines(database, app.sdkAppId, intervalMs)).some(
      ({ state }) => state.kind === 'stopped',
    );
  await ensureLine(database, lineKey, intervalMs, 200);
  expect(await isStopped()).toBe(false);

  const cause = { code: 70009, reason: 'UserSig was made with the wrong key', remedy: 'mend it' };
  await stopLine(database, id, { ...cause, holdsAll: true });
  const held = await run(['rooms'], { env });
  expect(held).toMatchObject({ code: 2, stdout: '' });
  expect(held.stderr).toContain(
    'the line is stopped: UserSig was made with the wrong key (70009); mend it',
  );
  expect(await asked(app)).toBe(requests);
  // Where a probe is due, a page is one, and what it shows counts for all.
  await probeNow(database, id);
  expect((await listed(service)).ids).toEqual(roomIds(3, 'live'));
  expect(await isStopped()).toBe(false);
  // One that is about destroy_room alone holds no list.
  await stopLine(database, id, { ...cause, holdsAll: false });
  expect((await listed(service)).ids).toHaveLength(3);
  expect(await isStopped()).toBe(true);
});

test('Ctrl-C ends it at once, whatever it waits for', async () => {
  const { env, server } = await openApp({
    rooms: publicRooms(25),
    commands: { get_room_list: { scripts: { '': [{ kind: 'usual' }, { kind: 'hang' }] } } },
  });
  // Longer than a test may take: it is not the timeout that ends it.
  const reading = startInside(['rooms'], { env: { ...env, REQUEST_TIMEOUT_MS: '60000' } });
  await server.reached(2, 'get_room_list');
  reading.kill('SIGINT');
  expect(await reading.ended).toMatchObject({
    ...{ code: 130, stdout: roomIds(20, 'live').join('\n') + '\n' },
    stderr: expect.stringContaining('interrupted: there may be more rooms') as string,
  });
});

test('an odd answer is asked for again; where none comes at all, it says why', async () => {
  const odd = [
    { kind: 'garbage' },
    { kind: 'noresponse' },
    { kind: 'cut' },
    { kind: 'code', code: 100001 },
  ] as const;
  const good = await openApp({
    rooms: publicRooms(3),
    commands: { get_room_list: { scripts: { '': [...odd] } } },
  });
  const bad = await openApp({
    commands: { get_room_list: { permanent: [{ prefix: '', answer: { kind: 'noresponse' } }] } },
  });
  const away = await openApp({});
  await away.server.close();
  const [found, ...refused] = await Promise.all([
    listed(good.service),
    ...[bad, away].map(({ env }) => run(['rooms'], { env })),
  ]);
  expect(found.ids).toEqual(roomIds(3, 'live'));
  const why = ['the answer is not the documented list of rooms', 'network error ECONNREFUSED'];
  for (const [index, ended] of refused.entries()) {
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain(
      `the API does not tell which rooms are live: ${why[index]}; ask again later`,
    );
  }
  expect(await asked(bad)).toBe(6);
});

test('of a batch those that live on are told, each with what is known of it', async () => {
  const rooms = {
    ...publicRooms(2),
    ...Object.fromEntries(
      [
        'again',
        'late',
        'gone',
        'listed',
        'recreated',
        'failed',
        'cancelled',
        'open',
        'queued',
        'joined',
        'just',
      ].map((id) => [id, { createTime: seconds('2025-11-30T20:00:00Z') }]),
    ),
  };
  const { env, service, server } = await openApp({ rooms });
  const { database, config } = service;
  const { sdkAppId } = config;
  const now = Date.now();
  const [evening, over] = await Promise.all(
    ['evening', 'over'].map((name) =>
      openBatch(database, {
        ...{ id: newId(), sdkAppId, name, madeUpName: name, fingerprint: newId(), total: 12 },
        ...{ by: 'ada', note: undefined, precautions: {} },
      }),
    ),
  );
  if (evening === undefined || over === undefined) throw new Error('they were opened');
  const ends: Record<string, Outcome | undefined> = {
    ...{ again: 'destroyed', late: 'already_gone', gone: 'destroyed', listed: 'destroyed' },
    ...{ recreated: 'recreated', failed: 'failed', cancelled: 'cancelled', open: undefined },
    just: 'destroyed_statistics_lost',
  };
  const destructionOf = (roomId: string, batchId: string | undefined) => ({
    id: batchId === undefined ? newId() : batchDestructionId(batchId, evening.createdAtMs, roomId),
    ...{ roomId, batchId, requestedAtMs: now, notAfterMs: now + 3_600_000 },
  });
  const made = Object.keys(ends).map((roomId) => destructionOf(roomId, evening.id));
  const elsewhere = destructionOf('joined', undefined);
  await ensureDestructions(database, sdkAppId, [
    ...made,
    elsewhere,
    destructionOf('gone', over.id),
  ]);
  await joinDestructions(database, evening.id, [{ destructionId: elsewhere.id, roomId: 'joined' }]);
  await recordEnds(
    database,
    sdkAppId,
    made.flatMap((destruction) => {
      const outcome = ends[destruction.roomId];
      if (outcome === undefined) return [];
      const { id: destructionId } = destruction;
      return [{ destructionId, destruction, attempt: undefined, end: destructionEnd(outcome) }];
    }),
  );
  const { queue } = await service.queue();
  await addDestructions(queue, [destructionOf('queued', evening.id)], { lane: 'bulk', delayMs: 0 });
  for (const roomId of ['again', 'late']) {
    await server.end(roomId);
    await server.recreate(roomId, Date.now() + 60_000);
  }
  await server.end('gone');
  // One that goes while the list is read.
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(
      `update room_reaper.destructions set finished_at = now() + interval '1 hour' where room_id = 'just' and sdk_app_id = $1`,
      [sdkAppId],
    ),
  );

  const told = await run(['rooms', '--survivors', 'evening', '--format', 'ndjson'], { env });
  expect(told).toMatchObject({ code: 1 });
  expect(told.stderr).toContain('9 of 12 rooms that are listed');
  const known = told.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { roomId: string; known: string; outcome?: string });
  expect(Object.fromEntries(known.map((room) => [room.roomId, room.known]))).toEqual({
    again: 'was destroyed, and created again',
    late: 'was gone, and created again',
    listed: 'was destroyed, and is listed all the same',
    recreated: 'created again before it was destroyed; left alone',
    failed: 'not destroyed: failed',
    cancelled: 'not destroyed: cancelled',
    open: 'not destroyed yet',
    queued: 'not destroyed yet',
    joined: 'not destroyed yet',
  });
  expect(known.find(({ roomId }) => roomId === 'listed')).toMatchObject({
    outcome: 'destroyed',
    finishedAt: expect.stringMatching(/Z$/) as string,
    createdAt: '2025-11-30T20:00:00.000Z',
  });
  const some = ['rooms', '--survivors', evening.id, '--match', 'f*', '--format', 'csv'];
  expect((await run(some, { env })).stdout).toMatch(
    /^room_id,.*,views,outcome,finished_at,known\r\nfailed,.*,failed,[^,]+Z,not destroyed: failed\r\n$/,
  );
  const none = await run(['rooms', '--survivors', 'over'], { env });
  expect(none).toMatchObject({ code: 0, stdout: '' });
});
