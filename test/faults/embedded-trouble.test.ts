/**
 * The embedded default under trouble: its disk is full, its process is killed, two processes
 * work in one directory.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { afterThisTest, folderWith, type Process, run, start } from '../e2e/room-reaper.js';
import { lines, openStage, roomIds, totalsInLedger, type DestructionRow } from '../e2e/stage.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import { say } from '../support/say.js';
import { sideBySide, until } from './scene.js';

/** What the ledger in a data directory holds; nobody else may have it open for long. */
async function rowsIn(dataDir: string): Promise<Map<string, DestructionRow>> {
  const database = await openEmbedded(dataDir);
  const client = new pg.Client(database.connection);
  try {
    await client.connect();
    const { rows } = await client.query<DestructionRow>('select * from room_reaper.destructions');
    expect(new Set(rows.map((row) => row.room_id)).size).toBe(rows.length);
    return new Map(rows.map((row) => [row.room_id, row]));
  } finally {
    await client.end();
    await database.close();
  }
}

type Report = Awaited<ReturnType<Awaited<ReturnType<typeof openStage>>['server']['report']>>;

function expectTruth(report: Report, rows: Map<string, DestructionRow>, rooms: string[]): void {
  expect([...rows.keys()].sort()).toEqual(rooms);
  for (const [room, row] of rows) {
    const truth = report.rooms[room];
    expect(truth?.destroyed, room).toBe(true);
    if (row.outcome === 'destroyed') expect(row).toMatchObject(truth ? totalsInLedger(truth) : {});
    else {
      expect(row.outcome, room).toBe('destroyed_statistics_lost');
      expect(truth?.requests, room).toBeGreaterThan(1);
    }
  }
}

/** Counts of rooms by what `destroy --json` printed. */
const outcomesOf = (stdout: string) =>
  (JSON.parse(stdout) as { outcomes: Record<string, number> }).outcomes;

async function killedAtWork() {
  const rooms = roomIds(150);
  const { server, env } = await openStage({ latencyMs: 100 });
  const options = {
    env: { ...env, RATE_LIMIT_PER_SECOND: '40' },
    cwd: folderWith({ 'rooms.txt': lines(rooms) }),
  };
  const killed = start(['destroy', 'rooms.txt', '--json'], options);
  await server.reached(70);
  killed.kill('SIGKILL');
  await killed.ended;
  const again = await run(['destroy', 'rooms.txt', '--json'], options);
  const rows = await rowsIn(join(options.cwd, '.room-reaper'));
  return { rooms, again, rows, report: await server.report() };
}

async function twoProcesses() {
  const { server, env } = await openStage({ latencyMs: 100 });
  const [some, others] = [roomIds(80, 'some'), roomIds(80, 'others')];
  const cwd = folderWith({ 'some.txt': lines(some), 'others.txt': lines(others) });
  const options = { env: { ...env, LOG_LEVEL: 'info', RATE_LIMIT_PER_SECOND: '40' }, cwd };
  const owner = start(['destroy', 'some.txt', '--json'], options);
  await owner.said(/running the embedded database/);
  const joined = start(['destroy', 'others.txt', '--json'], options);
  await joined.said(/worker started/);
  await server.reached(60);
  owner.kill('SIGKILL');
  await owner.ended;
  const ended = await joined.ended;
  // What the killed one had in hand may be left when the rooms of the other are done.
  const worker = start(['worker'], options);
  await until('the rooms of both are done', 60_000, async () => {
    const status = await run(['status', '--json'], options);
    const { batches } = JSON.parse(status.stdout) as {
      batches: { total: number; finished: number }[];
    };
    const left = batches.reduce((sum, { total, finished }) => sum + total - finished, 0);
    return batches.length === 2 && left === 0 ? undefined : `${left} rooms left`;
  });
  worker.kill('SIGTERM');
  await worker.ended;
  const rows = await rowsIn(join(cwd, '.room-reaper'));
  return { rooms: [...others, ...some].sort(), ended, rows, report: await server.report() };
}

/** Commands of each kind, while the process that runs their database ends, in order or not. */
async function ownersThatEnd() {
  const { env } = await openStage({});
  const cwd = folderWith({ 'first.txt': lines(roomIds(5, 'first')) });
  const options = { env, cwd };
  const first = await run(['destroy', 'first.txt', '--batch', 'first', '--json'], options);
  expect(first.code, first.stderr).toBe(0);
  const ends: Awaited<Process['ended']>[] = [];
  for (const [round, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
    const owner = start(['worker'], options);
    await owner.said(/running the embedded database/);
    const stdin = (name: string) => ({ stdin: lines(roomIds(20, `${name}-${round}`)) });
    const commands = [
      start(['destroy', '-', '--json'], { ...options, ...stdin('destroyed') }),
      start(['enqueue', '-', '--json'], { ...options, ...stdin('enqueued') }),
      start(['enqueue', '-', '--urgent'], { ...options, ...stdin('urgent') }),
      start(['status'], options),
      start(['explain', 'first-0001'], options),
      start(['report', 'first', '--output', `report-${round}.csv`], options),
      start(['audit'], options),
    ];
    await Promise.race(commands.map((each) => each.said(/joined the embedded database/)));
    owner.kill(signal);
    ends.push(...(await Promise.all(commands.map((each) => each.ended))));
    await owner.ended;
  }
  return { ends };
}

/** Lets a disk be full, and not any more. */
interface SmallDisk {
  folder: string;
  env: Record<string, string>;
  fill: () => void;
  free: () => void;
}

/** A real one: a tmpfs, where this user may mount it (root of a machine; seldom in a container). */
function mountedDisk(): SmallDisk | undefined {
  const folder = folderWith();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=150m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return undefined;
  }
  afterThisTest(() => {
    execFileSync('umount', ['--lazy', folder]);
    return Promise.resolve();
  });
  const filler = join(folder, 'filler');
  return {
    folder,
    env: {},
    fill() {
      const block = Buffer.alloc(65_536);
      const file = openSync(filler, 'w');
      try {
        for (;;) writeSync(file, block);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler),
  };
}

/**
 * Elsewhere every write of the database's thread fails as on a full disk, while a file says
 * so. Loaded first into the program, which hands it on to the thread.
 */
const failingWrites = (flag: string) => `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
if (threads.isMainThread) {
  const Real = threads.Worker;
  threads.Worker = class extends Real {
    constructor(file, options) {
      super(file, { ...options, execArgv: ['--import', import.meta.url] });
    }
  };
} else {
  for (const name of ['writeSync', 'ftruncateSync']) {
    const real = fs[name];
    fs[name] = (...args) => {
      if (!fs.existsSync(${JSON.stringify(flag)})) return real(...args);
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', errno: -28 });
    };
  }
}
syncBuiltinESMExports();`;

function pretendedDisk(): SmallDisk {
  const folder = folderWith();
  const flag = join(folder, 'full');
  const preload = join(folderWith({ 'full.mjs': failingWrites(flag) }), 'full.mjs');
  return {
    folder,
    env: { NODE_OPTIONS: `--import ${pathToFileURL(preload).href}` },
    fill: () => writeFileSync(flag, ''),
    free: () => rmSync(flag),
  };
}

async function fullDisk() {
  const disk = mountedDisk() ?? pretendedDisk();
  say(`a full disk: ${Object.keys(disk.env).length === 0 ? 'a tmpfs' : 'writes that fail'}`);
  const rooms = roomIds(160);
  const { server, env } = await openStage({ latencyMs: 100 });
  const options = {
    env: { ...env, ...disk.env, RATE_LIMIT_PER_SECOND: '40' },
    cwd: disk.folder,
    stdin: lines(rooms),
  };
  const destroying = start(['destroy', '-', '--json'], options);
  await server.reached(60);
  disk.fill();
  await destroying.said(/No space left on device|ENOSPC/);
  // What was granted before is sent within a quarter of a second or so.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const before = (await server.report()).requests.length;
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const meanwhile = (await server.report()).requests.length - before;
  disk.free();
  const ended = await destroying.ended;
  const rows = await rowsIn(join(disk.folder, '.room-reaper'));
  return { rooms, ended, meanwhile, rows, report: await server.report() };
}

let results: {
  (name: 'killed'): Awaited<ReturnType<typeof killedAtWork>>;
  (name: 'two'): Awaited<ReturnType<typeof twoProcesses>>;
  (name: 'full'): Awaited<ReturnType<typeof fullDisk>>;
  (name: 'ends'): Awaited<ReturnType<typeof ownersThatEnd>>;
};

beforeAll(async () => {
  results = (await sideBySide<'killed' | 'two' | 'full' | 'ends', unknown>({
    killed: killedAtWork,
    two: twoProcesses,
    full: fullDisk,
    ends: ownersThatEnd,
  })) as typeof results;
}, 300_000);

test('killed with kill -9 with work in hand, the same destroy opens the database again and finishes: nothing is lost', () => {
  const { rooms, again, rows, report } = results('killed');
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/going on with batch/);
  expectTruth(report, rows, rooms);
  const lost = [...rows.values()].filter((row) => row.outcome !== 'destroyed').length;
  expect(outcomesOf(again.stdout)).toMatchObject({
    destroyed: rooms.length - lost,
    destroyed_statistics_lost: lost,
  });
  assertQuotaKept(report, 40);
});

test('two processes work in one directory; the one that runs the database is killed, and the rooms of both are finished', () => {
  const { rooms, ended, rows, report } = results('two');
  expect(ended.code, ended.stderr).toBe(0);
  expectTruth(report, rows, rooms);
  assertQuotaKept(report, 40);
});

test('the process that runs the database ends: commands of each kind wait until it is taken over', () => {
  for (const { code, stdout, stderr } of results('ends').ends) {
    expect(code, stdout + stderr).toBe(0);
  }
});

test('on a full disk the work stops, a message says what to do, and it goes on when there is space', () => {
  const { rooms, ended, meanwhile, rows, report } = results('full');
  expect(ended.stderr).toMatch(/nothing is sent|is away/);
  expect(ended.stderr).toMatch(/free some/);
  // At 40 a second three seconds would be 120. What still fits into pages that are there goes
  // through: a reservation, one after the other, ever more rarely.
  expect(meanwhile).toBeLessThan(20);
  expect(ended.code, ended.stderr).toBe(0);
  expectTruth(report, rows, rooms);
  expect(outcomesOf(ended.stdout)).toMatchObject({ destroyed: rooms.length });
});
