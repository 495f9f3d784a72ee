/**
 * Four commands at once, each with a quota of its own at the API: destroy_room and get_room_info 200
 * a second, get_room_stats 100, get_room_list 10. The trouble of one is not that of the others.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openProducer } from '../../src/producer/index.js';
import { readConfig, startWorker } from '../../src/worker/index.js';
import { afterThisTest, run } from '../e2e/room-reaper.js';
import { openStage, readDestructions, redisAndPostgres, roomIds } from '../e2e/stage.js';
import type { ServerReport } from '../support/counting-server.js';
import { assertQuotaKept, sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';

const quotas = { get_room_info: 200, get_room_stats: 100, get_room_list: 10 } as const;
const reads = Object.keys(quotas) as (keyof typeof quotas)[];

/** How many rooms of each kind are asked for. */
interface Rooms {
  /** A snapshot is taken of each. */
  snapshot: number;
  /** Each is looked at. */
  guarded: number;
  /** Nothing is asked about them. */
  plain?: number;
}

const named = (kind: keyof Rooms, count = 0) => roomIds(count).map((room) => `${kind} ${room}`);

/** A worker that is at work on rooms of each kind. */
async function workOn(
  rooms: Rooms,
  options: Parameters<typeof openStage>[0] = {},
  variables: Record<string, string> = {},
) {
  const { server, env, sdkAppId } = await openStage(options);
  const stores = await redisAndPostgres();
  const given = { ...env, ...stores, ...variables };
  const producer = await openProducer({ queueUrl: stores.QUEUE_URL, sdkAppId });
  afterThisTest(() => producer.close());
  await producer.destroyMany(named('snapshot', rooms.snapshot), { snapshot: true });
  const onlyCreatedBefore = new Date();
  await producer.destroyMany(named('guarded', rooms.guarded), { onlyCreatedBefore });
  await producer.destroyMany(named('plain', rooms.plain));
  const worker = await startWorker(readConfig(given), { log: pino({ level: 'silent' }) });
  afterThisTest(() => worker.close());

  async function outcomes(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { room_id: room, outcome } of (
      await readDestructions(stores.DATABASE_URL)
    ).values()) {
      const name = `${room.split(' ')[0] ?? ''} ${outcome ?? 'open'}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }
  return {
    ...{ server, stores, outcomes },
    reaper: (...args: string[]) => run(args, { env: given }),
    /** Resolves once so many rooms of the kind are destroyed. */
    destroyed: (kind: keyof Rooms, count = rooms[kind]) =>
      expect
        .poll(async () => (await outcomes())[`${kind} destroyed`], {
          ...{ timeout: 60_000, interval: 200 },
        })
        .toBe(count),
    /** Slots that each command is granted in a window of 1,020 ms. */
    quotas: async () =>
      Object.fromEntries(
        (await readLines()).map(({ command, interval_ms: intervalMs }) => [
          command,
          Math.round(1_020 / intervalMs),
        ]),
      ),
    /** What each command's line does. */
    lines: async () =>
      Object.fromEntries((await readLines()).map(({ command, state }) => [command, state])),
  };

  async function readLines() {
    const { rows } = await withPostgres(stores.DATABASE_URL, (client) =>
      client.query<{ command: string; state: string; interval_ms: number }>(
        `select regexp_replace(command, '.*/', '') as command, interval_ms,
                case when stopped_at is not null and stop_holds_all then 'holds all'
                     when stopped_at is not null then 'stopped'
                     when braked_at is not null then 'braked' else 'runs' end as state
           from room_reaper.lines`,
      ),
    );
    return rows;
  }
}

const arrived = ({ requests, commands }: ServerReport) =>
  requests.length + reads.reduce((sum, command) => sum + commands[command].requests.length, 0);

test('each command keeps its own quota at the door, all four at once', async () => {
  const rooms = { snapshot: 110, guarded: 100 };
  const listed = Object.fromEntries(roomIds(50).map((room) => [`listed ${room}`, {}]));
  const worked = await workOn(rooms, { rooms: listed });
  const { server, stores, reaper, destroyed } = worked;
  const lists = await Promise.all([1, 2].map(() => reaper('rooms', '--match', 'listed*')));
  for (const { code, stdout } of lists) {
    expect(code).toBe(0);
    expect(stdout.trim().split('\n').sort()).toEqual(Object.keys(listed).sort());
  }
  await destroyed('snapshot');
  await destroyed('guarded');

  expect(await worked.quotas()).toEqual({ destroy_room: 200, ...quotas });
  const report = await server.report();
  expect(report.problems).toEqual([]);
  assertQuotaKept(report, 200, await sentSlots(stores.DATABASE_URL));
  for (const command of reads)
    assertQuotaKept({ ...report, ...report.commands[command] }, quotas[command]);
  const { get_room_info: info, get_room_stats: stats, get_room_list: list } = report.commands;
  expect(info.requests.length).toBeGreaterThanOrEqual(rooms.guarded);
  expect(stats.requests.length).toBeGreaterThanOrEqual(rooms.snapshot);
  // Three pages, each read twice, for each of two.
  expect(list.requests.length).toBeGreaterThanOrEqual(12);
});

test('a command over its quota is braked alone: rooms that do not need it go on', async () => {
  const { destroyed, outcomes, lines } = await workOn(
    { snapshot: 12, guarded: 20, plain: 10 },
    { commands: { get_room_stats: { quotaPerSecond: 0 } } },
  );
  await destroyed('guarded');
  await destroyed('plain');
  await expect.poll(lines, { timeout: 60_000 }).toEqual({
    ...{ destroy_room: 'runs', get_room_info: 'runs', get_room_stats: 'braked' },
  });
  expect(await outcomes()).not.toHaveProperty('snapshot destroyed');
});

test('a command that is refused as such stops alone, and holds the rooms that need it', async () => {
  const { server, destroyed, outcomes, lines } = await workOn(
    { guarded: 12, snapshot: 15, plain: 10 },
    {
      commands: {
        get_room_info: { permanent: [{ prefix: '', answer: { kind: 'code', code: 60009 } }] },
      },
    },
  );
  await destroyed('snapshot');
  await destroyed('plain');
  await expect.poll(lines, { timeout: 60_000 }).toEqual({
    ...{ destroy_room: 'runs', get_room_info: 'stopped', get_room_stats: 'runs' },
  });
  expect(await outcomes()).not.toHaveProperty('guarded destroyed');
  const { get_room_info: info } = (await server.report()).commands;
  // Each of its rooms once, and a few that try whether it works again.
  expect(info.requests.length).toBeLessThanOrEqual(24);
});

test('a wrong key holds all: after the first refusals nothing arrives, of whichever command', async () => {
  const rooms = { snapshot: 60, guarded: 60, plain: 60 };
  const { server, reaper, lines, outcomes } = await workOn(rooms, undefined, {
    TENCENT_SECRET_KEY: randomBytes(32).toString('hex'),
  });
  await expect
    .poll(async () => (await lines())['destroy_room'], { timeout: 60_000 })
    .toBe('holds all');
  const before = arrived(await server.report());
  const list = await reaper('rooms');
  expect(list.code).toBe(2);
  const report = await server.report();
  expect(report.commands.get_room_list.requests).toEqual([]);
  // What had its slot already, and a worker's first try.
  expect(arrived(report) - before).toBeLessThanOrEqual(5);
  expect(arrived(report)).toBeLessThan(90);
  for (const name of Object.keys(await outcomes())) expect(name).toMatch(/ open$/);
});
