/**
 * Workers killed with SIGKILL, and workers that lose their locks while they hold jobs.
 *
 * Why a dead worker's jobs run again within 30 s: a job's lock lasts 15 s and is renewed
 * every 7.5 s (`lockDurationMs` in src/worker/worker.ts), so after a kill it runs out within
 * 15 s. Every 10 s some worker looks for jobs without a lock (`stalledIntervalMs`); only
 * what was in hand at its look before counts, and the lock lasts longer than the time
 * between two looks, so the first look after the lock ran out finds it: 15 + 10 = 25 s at
 * most, and 5 s are left for a slow Redis and a busy machine. Such a job goes to the head
 * of the queue. `maxStalledCount` is out of reach, so any number of crashes is survived.
 */
import { createHash } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { start } from '../e2e/room-reaper.js';
import { redisAndPostgres, totalsInLedger } from '../e2e/stage.js';
import { assertQuotaKept } from '../support/quota-kept.js';
import { say } from '../support/say.js';
import { long, Scene, seeded, seedOfThisRun, sideBySide, until } from './scene.js';

const takenUpWithinMs = 30_000;

const seed = seedOfThisRun();

async function openOnServers(
  options: Omit<Parameters<typeof Scene.open>[0], 'queueUrl' | 'databaseUrl'>,
): Promise<Scene> {
  const stores = await redisAndPostgres();
  return Scene.open({ ...options, queueUrl: stores.QUEUE_URL, databaseUrl: stores.DATABASE_URL });
}

/** How many workers are killed, among how many rooms. */
const kills = long ? 20 : 6;
const roomsOfKills = long ? 3_000 : 500;

/** Kills a worker with requests in flight, again and again, until all rooms have an end. */
async function killWorkers(scene: Scene, random: () => number): Promise<string[]> {
  const said: string[] = [];
  const { length: rooms } = scene.rooms;
  const moments = Array.from({ length: kills }, () => Math.ceil(random() * rooms * 0.9));
  for (const moment of moments.sort((a, b) => a - b)) {
    await scene.server.reached(moment);
    const victim = scene.workers.splice(Math.floor(random() * scene.workers.length), 1)[0];
    victim?.kill('SIGKILL');
    said.push((await victim?.ended)?.stderr ?? '');
    scene.startWorker();
  }
  await scene.roomsEnded();
  await scene.queueEmpty();
  return said;
}

async function killAgainAndAgain() {
  const random = seeded(seed);
  say(`workers killed: seed ${seed} (FAULTS_SEED=${seed} repeats it)`);
  const scene = await openOnServers({ rooms: roomsOfKills, workers: 3, latencyMs: 150 });
  const said = await killWorkers(scene, random);
  said.push(...(await scene.stopWorkers()));
  return { takenBack: takenBackIn(said.join('')), ...(await scene.findings()) };
}

/**
 * The same with what rescues the statistics: either callbacks, which come late, in any order, twice,
 * and some before the outcome of their room; or snapshots, and no callback.
 */
async function killRescued(by: 'webhook' | 'snapshot') {
  const random = seeded(seed + 1);
  const token = 'token-of-the-console';
  const scene = await openOnServers({
    ...{ rooms: roomsOfKills, workers: 3, latencyMs: 150 },
    env: { TENCENT_WEBHOOK_TOKEN: token },
    flags: by === 'snapshot' ? ['--snapshot'] : [],
  });
  const ended = new AbortController();
  const told = by === 'webhook' ? tellOfRooms(scene, token, random, ended.signal) : undefined;
  await killWorkers(scene, random);
  ended.abort();
  await told;
  await scene.stopWorkers();
  return scene.findings();
}

/** Posts a callback for each room that was destroyed, as the API does, until all were told of. */
async function tellOfRooms(
  scene: Scene,
  token: string,
  random: () => number,
  ended: AbortSignal,
): Promise<void> {
  const served = start(['serve', '--port', '0'], { env: { ...scene.env, LOG_LEVEL: 'silent' } });
  const url = (await served.said(/serves http\S+/)).replace('serves ', '');
  const told = new Set<string>();
  const late: (() => Promise<void>)[] = [];
  for (let isLast = false; !isLast;) {
    isLast = ended.aborted;
    const { requests, rooms, startedAtMs } = await scene.server.report();
    for (const { roomId = '', acted, atMs } of requests) {
      if (acted !== true || told.has(roomId)) continue;
      told.add(roomId);
      const event = callbackOf(roomId, startedAtMs + atMs, rooms[roomId]?.totals ?? {});
      const post = () => postCallback(url, scene.env['TENCENT_SDK_APP_ID'] ?? '', token, event);
      if (random() < 0.5) late.push(post);
      else await post();
      if (random() < 0.3) late.push(post);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  // Those that are late come in no order.
  const order = late.map((post) => ({ post, at: random() })).sort((a, b) => a.at - b.at);
  for (const { post } of order) await post();
  served.kill('SIGTERM');
  await served.ended;
}

function callbackOf(roomId: string, endedAtMs: number, totals: Record<string, string>): string {
  // Coins are beyond 2⁵³: their digits go as they are.
  const statistic = Object.entries(totals).map(([name, value]) => `"${name}":${value}`);
  const event = {
    ...{ CallbackCommand: 'Live.CallbackAfterDestroyRoom', Operator_Account: 'administrator' },
    ...{ RoomId: roomId, EventType: 'DestroyByUser', EventTime: Math.round(endedAtMs) },
    RoomInfo: { RoomId: roomId },
  };
  return JSON.stringify(event).replace(/}$/, `,"Statistic":{${statistic.join(',')}}}`);
}

async function postCallback(url: string, app: string, token: string, body: string): Promise<void> {
  const time = String(Math.floor(Date.now() / 1_000));
  const sign = createHash('sha256').update(`${token}${time}`).digest('hex');
  const query = `SdkAppid=${app}&CallbackCommand=Live.CallbackAfterDestroyRoom&contenttype=json&Sign=${sign}&RequestTime=${time}`;
  await until('a callback is taken', 30_000, async () => {
    const answer = await fetch(`${url}/webhooks/tencent?${query}`, { method: 'POST', body });
    return answer.status === 200 ? undefined : `${answer.status}: ${await answer.text()}`;
  });
}

/** Where the statistics of the rooms are from, and each that is not what the server knows. */
function rescuedIn({ rows, report }: Awaited<ReturnType<typeof killRescued>>) {
  const sources: Record<string, number> = {};
  const wrong: string[] = [];
  for (const row of rows) {
    const source = String(row.statistics_source);
    sources[source] = (sources[source] ?? 0) + 1;
    const truth = report.rooms[row.room_id];
    for (const [column, value] of Object.entries(truth ? totalsInLedger(truth) : {})) {
      const saved = row[column as keyof typeof row];
      if (saved !== value)
        wrong.push(`${row.room_id}: ${column} is ${String(saved)}, must be ${value}`);
    }
  }
  return { sources, wrong };
}

interface TakenBack {
  destructionId: string;
  /** Milliseconds since the epoch. */
  time: number;
}

/** What workers took back of those that were killed, as their logs say. */
function takenBackIn(log: string): TakenBack[] {
  return log
    .split('\n')
    .filter((line) => line.includes('job of a dead or paused worker taken back'))
    .map((line) => JSON.parse(line) as TakenBack);
}

/**
 * Two workers hold the same jobs: one is stopped (SIGSTOP) with requests in flight until
 * its locks have run out and the other has ended its rooms, and then goes on.
 */
async function lostLocks() {
  // Asked for by the stopped worker: "gone" comes for them, when the other has destroyed them.
  const toldGone = ['room-0003', 'room-0007'];
  const scene = await openOnServers({
    rooms: 20,
    workers: 1,
    latencyMs: 5_000,
    scripts: Object.fromEntries(toldGone.map((room) => [room, [{ kind: 'unknown' }]])),
    // What was answered must still be heard after the long stop.
    env: { REQUEST_TIMEOUT_MS: '120000' },
  });
  const [first] = scene.workers;
  await scene.server.reached(scene.rooms.length);
  first?.kill('SIGSTOP');
  const second = scene.startWorker();
  await scene.roomsEnded();
  const before = await scene.destructions();
  first?.kill('SIGCONT');
  await scene.queueEmpty();
  await until('every answer is recorded', 20_000, async () => {
    const open = (await scene.attempts()).filter(({ ended_ms }) => ended_ms === null).length;
    return open === 0 ? undefined : `${open} attempts have no end`;
  });
  const [firstSaid] = await scene.stopWorkers();
  await second.ended;
  return { toldGone, before, firstSaid, ...(await scene.findings()) };
}

let results: {
  (name: 'killed'): Awaited<ReturnType<typeof killAgainAndAgain>>;
  (name: 'webhook' | 'snapshot'): Awaited<ReturnType<typeof killRescued>>;
  (name: 'lost locks'): Awaited<ReturnType<typeof lostLocks>>;
};

beforeAll(async () => {
  results = (await sideBySide<'killed' | 'webhook' | 'snapshot' | 'lost locks', unknown>({
    killed: killAgainAndAgain,
    webhook: () => killRescued('webhook'),
    snapshot: () => killRescued('snapshot'),
    'lost locks': lostLocks,
  })) as typeof results;
}, 300_000);

test.each(['webhook', 'snapshot'] as const)(
  'workers killed again and again: with the %s no statistics are lost, none are wrong, and none count twice',
  (by) => {
    const found = results(by);
    const { sources, wrong } = rescuedIn(found);
    expect(wrong, `seed ${seed}`).toEqual([]);
    expect(found.rows).toHaveLength(roomsOfKills);
    expect(sources['lost'], `seed ${seed}`).toBeUndefined();
    expect(sources[by], `seed ${seed}`).toBeGreaterThan(0);
    assertQuotaKept(found.report, 200, found.slots);
  },
);

test('workers killed again and again: every room has one outcome, equal to the server’s truth, and nothing is sent after it', () => {
  const { wrong, outcomes, report } = results('killed');
  expect(wrong, `seed ${seed}`).toEqual([]);
  const sentAgain = Object.values(report.rooms).filter(({ requests }) => requests > 1).length;
  // The kills met requests in flight: what was destroyed and not heard is labelled as lost.
  expect(outcomes['destroyed_statistics_lost'], `seed ${seed}`).toBeGreaterThan(0);
  expect(outcomes['destroyed_statistics_lost']).toBeLessThanOrEqual(sentAgain);
});

test('workers killed again and again: the quota is kept at the door', () => {
  const { report, slots } = results('killed');
  assertQuotaKept(report, 200, slots);
});

test('the jobs of a dead worker are taken up within 30 s, however often it happens to them', () => {
  const { attempts, takenBack } = results('killed');
  const abandoned = attempts.filter(({ ended_ms }) => ended_ms === null);
  expect(abandoned.length, `seed ${seed}`).toBeGreaterThan(0);
  expect(takenBack.length, `seed ${seed}`).toBeGreaterThan(0);
  const waits = abandoned.map((attempt) => {
    const next = attempts.find(
      (other) =>
        other.destruction_id === attempt.destruction_id && other.attempt === attempt.attempt + 1,
    );
    // Whoever takes it up may be killed too, before it has a slot for it: then it waits anew.
    const from = attempt.slot_ms;
    const until = next?.slot_ms ?? Number.NaN;
    const between = takenBack
      .filter(({ destructionId }) => destructionId === attempt.destruction_id)
      .map(({ time }) => time)
      .filter((time) => time > from && time < until)
      .sort((a, b) => a - b);
    const moments = [from, ...between, until];
    const waitedMs = moments.slice(1).map((moment, index) => moment - (moments[index] ?? 0));
    return { room: attempt.room_id, waitedMs };
  });
  const late = waits.filter(({ waitedMs }) => !waitedMs.every((ms) => ms <= takenUpWithinMs));
  expect(late, `seed ${seed}`).toEqual([]);
});

test('two workers that hold the same jobs after lost locks: statistics that one got replace the “gone” of the other', () => {
  const { toldGone, before, outcomes, rows, report } = results('lost locks');
  const lostBefore = before.filter(({ outcome }) => outcome === 'destroyed_statistics_lost');
  // While the first was stopped, the second was told "gone" for what the first had destroyed.
  expect(lostBefore.length).toBe(rows.length - toldGone.length);
  expect(outcomes).toEqual({ destroyed: rows.length });
  for (const row of rows)
    expect(row.total_viewers).toBe(report.rooms[row.room_id]?.totals.TotalViewers);
});

test('two workers that hold the same jobs after lost locks: a late “gone” never replaces a success', () => {
  const { toldGone, before, rows } = results('lost locks');
  for (const room of toldGone) {
    const was = before.find(({ room_id }) => room_id === room);
    expect(was?.outcome).toBe('destroyed');
    expect(rows.find(({ room_id }) => room_id === room)).toEqual(was);
  }
});
