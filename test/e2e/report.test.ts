import { parse as parseCsv } from 'csv-parse/sync';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'lossless-json';
import { expect, test } from 'vitest';
import type { ServerReport } from '../support/counting-server.js';
import { withPostgres } from '../support/servers.js';
import { folderWith, run } from './room-reaper.js';
import {
  folderWithDatabase,
  keepOpen,
  lines,
  openStage,
  redisAndPostgres,
  roomIds,
} from './stage.js';

type Json = Record<string, unknown>;

/** Whole numbers beyond 2⁵³ as bigints. */
const readJson = (text: string) =>
  parse(text, null, {
    parseNumber: (digits) => (/^-?\d{16,}$/.test(digits) ? BigInt(digits) : Number(digits)),
  }) as Json;

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** RoomIds that a spreadsheet or a bad parser would trip over. */
const dangerous = ['=HYPERLINK("http://x")', '+1', '-1', '@SUM(A1)', 'a,b', '"q"', " ' ", '0007'];

const expectedTotals = (report: ServerReport, room: string, told: boolean) => {
  const totals = report.rooms[room]?.totals;
  return [
    ...['TotalViewers', 'TotalGiftsSent', 'TotalGiftCoins'],
    ...['TotalUniqueGiftSenders', 'TotalLikesReceived'],
  ].map((name) => (told ? totals?.[name as keyof typeof totals] : ''));
};

test('every format has every room once, as the server knows it, and the sums of exactly those', async () => {
  const scripts = {
    'never there': [{ kind: 'unknown' as const }],
    'not allowed': [{ kind: 'code' as const, code: 100006 }],
    'cut after acting': [{ kind: 'cut' as const, acts: true }],
    'once broken': [{ kind: 'code' as const, code: 100001 }],
  };
  const { server, env } = await openStage({ scripts });
  const stores = await redisAndPostgres();
  const all = { ...env, ...stores };
  const rooms = [...roomIds(40), ...dangerous, ...Object.keys(scripts)];
  const destroyed = await run(
    ['destroy', '-', '--format', 'lines', '--batch', 'evening', '--json'],
    {
      env: all,
      stdin: lines(rooms),
    },
  );
  expect(destroyed.code, destroyed.stderr).toBe(1);
  const truth = await server.report();
  const cwd = folderWith();
  const report = (...args: string[]) => run(['report', 'evening', ...args], { env: all, cwd });

  // CSV: read back by a parser that knows nothing of us.
  const csv = await report('--format', 'csv');
  expect(csv.code, csv.stderr).toBe(1);
  expect(csv.stdout.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  const rows = parseCsv<Record<string, string>>(csv.stdout, {
    columns: true,
    record_delimiter: '\r\n',
  });
  const asText = (room: string) => (/^[=+\-@]/.test(room) ? `'${room}` : room);
  expect(rows.map((row) => row['room_id']).sort()).toEqual(rooms.map(asText).sort());
  for (const room of rooms) {
    const row = rows.find((each) => each['room_id'] === asText(room)) ?? {};
    const arrived = truth.requests.filter(({ roomId }) => roomId === room);
    const last = arrived.at(-1);
    const told = last?.toldTotals === true;
    expect(row, room).toMatchObject({
      state: 'ended',
      attempts: String(arrived.length),
      error_code: String(last?.errorCode),
      request_id: last?.requestId,
      statistics_source:
        room === 'not allowed' ? '' : told ? 'response' : room === 'never there' ? 'none' : 'lost',
      joined: 'false',
    });
    expect(
      [
        ...[row['total_viewers'], row['total_gifts_sent'], row['total_gift_coins']],
        ...[row['total_unique_gift_senders'], row['total_likes_received']],
      ],
      room,
    ).toEqual(expectedTotals(truth, room, told));
  }
  expect(csv.stderr).toContain(`SHA-256 ${sha256(csv.stdout)}\n`);

  // NDJSON and JSON: the same rooms, each text as it is.
  const ndjson = await report('--format', 'ndjson');
  const objects = ndjson.stdout.trimEnd().split('\n').map(readJson);
  expect(objects.map((each) => each['roomId'])).toEqual([...rooms].sort());
  expect(ndjson.stderr).toContain(`SHA-256 ${sha256(ndjson.stdout)}\n`);
  const json = readJson((await report('--json')).stdout);
  expect(json['rooms']).toEqual(objects);
  const summary = json['summary'] as Json;
  const said = readJson(destroyed.stdout);
  expect(summary).toMatchObject({
    batchId: said['batchId'],
    name: 'evening',
    total: rooms.length,
    outcomes: said['outcomes'],
    statistics: said['statistics'],
    worstWindow: said['worstWindow'],
    attempts: truth.requests.length,
    open: 0,
    unlisted: 0,
    sha256: sha256(ndjson.stdout),
  });
  expect(summary['problems']).toMatchObject([
    {
      outcome: 'rejected',
      errorCode: 100006,
      meaning: 'no permission, or not a live room',
      rooms: 1,
      example: 'not allowed',
    },
  ]);
  const coins = objects.map((each) => BigInt((each['totalGiftCoins'] as number | null) ?? 0));
  const [richest] = summary['topByGiftCoins'] as { totalGiftCoins: number | bigint }[];
  expect(BigInt(richest?.totalGiftCoins ?? -1)).toBe(coins.sort((a, b) => (a < b ? 1 : -1))[0]);

  const table = await report();
  for (const room of rooms) expect(table.stdout).toContain(`\n${room.padEnd(4)}`);
  expect(table.stdout).toContain(`SHA-256 ${sha256(ndjson.stdout)}\n`);
  expect((await report('--summary', '--json')).stdout.trimEnd().split('\n')).toHaveLength(1);

  // A part is what a filter of the whole would be, and says that it is a part.
  const ends = ['--outcome', 'rejected,failed', '--code', '100006'];
  const part = await report('--format', 'ndjson', ...ends);
  expect(part.code).toBe(1);
  expect(part.stdout.trimEnd().split('\n').map(readJson)).toEqual(
    objects.filter((each) => each['outcome'] === 'rejected'),
  );
  expect(part.stderr).toContain(
    `\nonly rejected or failed with code 100006: 1 of ${rooms.length} rooms; all numbers are of these\n1 room asked for, 1 ended; 1 request,`,
  );
  expect(part.stderr).toContain(`SHA-256 ${sha256(part.stdout)}\n`);
  const gone = await report('--json', '--outcome', 'destroyed', '--outcome', 'already_gone');
  expect(gone.code).toBe(0);
  const goneRooms = objects.filter((each) =>
    /^(destroyed|already_gone)$/.test(String(each['outcome'])),
  );
  expect(readJson(gone.stdout)).toMatchObject({
    rooms: goneRooms,
    summary: {
      part: { outcomes: ['destroyed', 'already_gone'], codes: null, of: rooms.length },
      ...{ total: goneRooms.length, open: 0, unlisted: 0, problems: [] },
      outcomes: { destroyed: goneRooms.length - 1, already_gone: 1, rejected: 0 },
    },
  });
  const none = await report('--outcome', 'expired');
  expect(none).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/only expired: 0 of/) as string,
  });
  expect(await report('--outcome', 'gone')).toMatchObject({
    ...{ code: 2, stdout: '' },
    stderr: expect.stringMatching(
      /--outcome must be destroyed, destroyed_statistics_lost, .*, cancelled, open, got "gone"/,
    ) as string,
  });

  // A file appears whole, with its digest, and is not replaced by accident.
  const written = await report('--format', 'csv', '--output', 'evening.csv');
  expect(written.stdout).toBe('');
  expect(readFileSync(join(cwd, 'evening.csv'), 'utf8')).toBe(csv.stdout);
  expect(readFileSync(join(cwd, 'evening.csv.sha256'), 'utf8')).toBe(
    `${sha256(csv.stdout)}  evening.csv\n`,
  );
  const again = await report('--format', 'json', '--output', 'evening.csv');
  expect(again.code).toBe(2);
  expect(again.stderr).toMatch(/--output must name a file that does not exist.*--force/);
  expect(readFileSync(join(cwd, 'evening.csv'), 'utf8')).toBe(csv.stdout);
  const replaced = await report('--format', 'ndjson', '--output', 'evening.csv', '--force');
  expect(replaced.code).toBe(1);
  expect(readFileSync(join(cwd, 'evening.csv'), 'utf8')).toBe(ndjson.stdout);
  expect(readdirSync(cwd).sort()).toEqual(['evening.csv', 'evening.csv.sha256']);

  // In a directory the file is named by itself: whose rooms, where, which batch.
  const named = `room-reaper-${env.TENCENT_SDK_APP_ID}-${new URL(server.url).host.replace(':', '-')}-evening.csv`;
  expect((await report('--format', 'csv', '--output', '.')).code).toBe(1);
  expect(readdirSync(cwd).sort()).toEqual(
    ['evening.csv', 'evening.csv.sha256', named, `${named}.sha256`].sort(),
  );
  expect((await report('--format', 'csv', '--output', '.', ...ends)).code).toBe(1);
  expect(readdirSync(cwd)).toContain(named.replace('.csv', '-rejected-failed-100006.csv'));
  for (const path of ['evening.csv/below', 'no/such/directory']) {
    const refused = await report('--output', path);
    expect(refused.code, refused.stderr).toBe(2);
    expect(refused.stderr).toMatch(/--output must name a file/);
  }

  // The audit counts what the server counted.
  const audit = await run(['audit', '--batch', 'evening', '--json'], { env: all });
  expect(audit.code, audit.stderr).toBe(0);
  const audited = readJson(audit.stdout);
  expect(audited).toMatchObject({
    kept: true,
    requests: truth.requests.length,
    worstWindow: said['worstWindow'],
    retries: { rooms: rooms.length, max: 1 },
    slots: { notSent: 0, neverEnded: 0 },
  });
  expect((audited['hosts'] as Json[])[0]).toMatchObject({ host: new URL(server.url).host });
  const since = readJson((await run(['audit', '--json'], { env: all })).stdout);
  expect({ ...since, from: 0, to: 0 }).toEqual({ ...audited, from: 0, to: 0 });

  // And finds what was not kept, with its instants.
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(
      `update room_reaper.attempts set sent_at = '2026-01-01T00:00:00Z'::timestamptz + attempt * interval '400 microseconds',
         verdict = case attempt when 1 then verdict else 'over_quota' end`,
    ),
  );
  const broken = await run(['audit', '--batch', 'evening'], {
    env: { ...all, RATE_LIMIT_PER_SECOND: '50' },
  });
  expect(broken.code).toBe(1);
  expect(broken.stdout).toContain('VIOLATED: more than 50 requests within 1,000 ms');
  expect(broken.stdout).toContain(
    'fullest 1,000 ms: 54 of 50, from 2026-01-01T00:00:00.000400Z to 2026-01-01T00:00:00.000800Z',
  );
  expect(broken.stdout).toMatch(/^ {2}the API refused \d+ as over quota: others may call it/m);
  expect(broken.stdout.match(/ attempt [12], worker /g)).toHaveLength(54);

  // Old enough to go, by force; the safe form refuses and says why.
  const refused = await run(['prune', '--older-than', '13d', '--yes'], { env: all });
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/must be at least 15d.*FAILED_JOBS_DAYS \(14\)/);
  expect((await run(['prune'], { env: all })).stderr).toMatch(/--older-than must be given/);
  const nothing = await run(['prune', '--older-than', '15d', '--yes'], { env: all });
  expect(nothing.stdout).toMatch(/^nothing ended before/);
  const asked = await run(['prune', '--older-than', '0s', '--force'], { env: all });
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(/52 destructions, 54 attempts and 1 batch need consent; add --yes/);
  const pruned = await run(['prune', '--older-than', '0s', '--force', '--yes', '--json'], {
    env: all,
  });
  expect(JSON.parse(pruned.stdout)).toMatchObject({
    ...{ dryRun: false, destructions: 52, attempts: 54, batches: 1 },
  });
  expect((await report()).code).toBe(2);
}, 180_000);

test('rooms that no worker has taken up are listed from the queue, and joined ones are marked', async () => {
  const { env } = await openStage();
  const all = { ...env, ...(await redisAndPostgres()) };
  const rooms = roomIds(30);
  const enqueue = (name: string, list: string[], ...args: string[]) =>
    run(['enqueue', '-', '--batch', name, ...args], { env: all, stdin: lines(list) });
  expect((await enqueue('early', rooms.slice(0, 10), '--delay', '2h')).code).toBe(0);
  expect((await enqueue('late', rooms)).code).toBe(0);

  const waiting = await run(['report', 'late', '--json'], { env: all });
  expect(waiting.code, waiting.stderr).toBe(1);
  const { rooms: listed, summary } = readJson(waiting.stdout) as { rooms: Json[]; summary: Json };
  expect(listed.map((each) => each['roomId']).sort()).toEqual(rooms);
  expect(new Set(listed.map((each) => each['state']))).toEqual(new Set(['waiting']));
  expect(listed.filter((each) => each['joined']).map((each) => each['roomId'])).toEqual(
    rooms.slice(0, 10),
  );
  expect(summary).toMatchObject({ total: 30, open: 30, waiting: 30, joined: 10, unlisted: 0 });

  // Worked on, everything of both is gone.
  const worker = await run(['destroy', '-', '--batch', 'late'], { env: all, stdin: lines(rooms) });
  expect(worker.code, worker.stderr).toBe(0);
  for (const [name, count] of [
    ['early', 10],
    ['late', 30],
  ] as const) {
    const done = await run(['report', name, '--json'], { env: all });
    expect(done.code, done.stderr).toBe(0);
    expect(readJson(done.stdout)['summary']).toMatchObject({
      ...{ total: count, open: 0, waiting: 0, outcomes: { destroyed: count } },
    });
  }
  // Where the queue is away, what waits is counted.
  expect((await enqueue('lost', ['a', 'b'], '--delay', '1h')).code).toBe(0);
  const blind = await run(['report', 'lost', '--summary', '--json'], {
    env: { ...all, QUEUE_URL: 'redis://127.0.0.1:1' },
  });
  expect(blind.code).toBe(1);
  expect(blind.stderr).toMatch(/the rooms that wait cannot be listed: Redis at/);
  expect(readJson(blind.stdout)['summary']).toMatchObject({ total: 2, open: 2, unlisted: 2 });
}, 120_000);

test('on the embedded default report, audit and prune do the same', async () => {
  const { server, env } = await openStage();
  const cwd = await folderWithDatabase({ 'rooms.txt': lines(roomIds(30)) });
  await keepOpen(cwd);
  const embedded = (...args: string[]) => run(args, { cwd, env });
  const destroyed = await embedded('destroy', 'rooms.txt', '--batch', 'evening', '--json');
  expect(destroyed.code, destroyed.stderr).toBe(0);
  const truth = await server.report();

  const csv = await embedded('report', 'evening', '--format', 'csv', '--output', 'out.csv');
  expect(csv.code, csv.stderr).toBe(0);
  const rows = parseCsv<Record<string, string>>(readFileSync(join(cwd, 'out.csv'), 'utf8'), {
    columns: true,
  });
  expect(rows.map((row) => ({ room: row['room_id'], coins: row['total_gift_coins'] }))).toEqual(
    roomIds(30).map((room) => ({ room, coins: truth.rooms[room]?.totals.TotalGiftCoins })),
  );
  const audit = readJson((await embedded('audit', '--json')).stdout);
  expect(audit).toMatchObject({ kept: true, requests: 30, retries: { rooms: 30, mean: 0 } });
  const pruned = await embedded('prune', '--older-than', '0s', '--force', '--yes', '--json');
  expect(JSON.parse(pruned.stdout)).toMatchObject({ destructions: 30, attempts: 30, batches: 1 });
  expect(existsSync(join(cwd, 'out.csv.sha256'))).toBe(true);
}, 180_000);
