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
import { beforeAll, expect, test } from 'vitest';
import { redisAndPostgres } from '../e2e/stage.js';
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

async function killAgainAndAgain() {
  const random = seeded(seed);
  const rooms = long ? 3_000 : 500;
  const kills = long ? 20 : 6;
  say(`workers killed: seed ${seed} (FAULTS_SEED=${seed} repeats it)`);
  const scene = await openOnServers({ rooms, workers: 3, latencyMs: 150 });
  const said: string[] = [];
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
  said.push(...(await scene.stopWorkers()));
  return { takenBack: takenBackIn(said.join('')), ...(await scene.findings()) };
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
  (name: 'lost locks'): Awaited<ReturnType<typeof lostLocks>>;
};

beforeAll(async () => {
  results = (await sideBySide<'killed' | 'lost locks', unknown>({
    killed: killAgainAndAgain,
    'lost locks': lostLocks,
  })) as typeof results;
}, 300_000);

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
