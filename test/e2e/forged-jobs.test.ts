/**
 * Whoever can write the queue can write anything into it. A worker must not fall over it,
 * and must not write down what is not so.
 */
import { randomUUID } from 'node:crypto';
import { Queue } from 'bullmq';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { withPostgres } from '../support/servers.js';
import { afterThisTest, run, startInside } from './room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres } from './stage.js';

const hours = 3_600_000;

/** A result as the worker keeps it in a job, made up. */
function madeUp(destructionId: string, outcome = 'destroyed'): string {
  const statistics = Object.fromEntries(
    ['Viewers', 'GiftsSent', 'GiftCoins', 'UniqueGiftSenders', 'LikesReceived'].map((name) => [
      `total${name}`,
      '666',
    ]),
  );
  const attempt = {
    attempt: 1,
    endedAtMs: Date.now(),
    verdict: 'destroyed',
    reason: 'made up',
    mayHaveActed: false,
  };
  return JSON.stringify({ destructionId, attempt, end: { outcome, statistics } });
}

test('forged jobs end as failed with a clear reason, change no record, and the worker goes on', async () => {
  const { server, env, sdkAppId } = await openStage({ scripts: { gone: [{ kind: 'unknown' }] } });
  const stores = await redisAndPostgres();
  const options = { env: { ...env, ...stores } };
  const connection = new Redis(stores.QUEUE_URL, { maxRetriesPerRequest: null });
  const queue = new Queue(`room-reaper-${sdkAppId}`, { connection });
  afterThisTest(async () => {
    await queue.close();
    connection.disconnect();
  });
  const done = await run(['destroy', '-'], { ...options, stdin: lines(['gone', 'done']) });
  expect(done.code, done.stderr).toBe(0);
  // An open destruction whose job is away, as after a Redis that was restored from a backup.
  const openId = randomUUID();
  await withPostgres(stores.DATABASE_URL, (client) =>
    client.query(
      `insert into room_reaper.destructions (id, sdk_app_id, room_id, requested_at, not_after)
       values ($1, $2, 'open', now(), now() + interval '1 hour')`,
      [openId, sdkAppId],
    ),
  );
  const before = await readDestructions(stores.DATABASE_URL);
  const idOf = (room: string) => before.get(room)?.id ?? '';

  const now = Date.now();
  const sound = { r: 'victim', t: now, n: now + 10 * hours };
  const jobs: { id: string; data: unknown; reason: RegExp }[] = [
    // Under the ids of other rooms' destructions.
    ...['gone', 'done'].map((room) => ({
      id: idOf(room),
      data: { ...sound, u: madeUp(idOf(room)) },
      reason: /another room/,
    })),
    { id: openId, data: { ...sound, u: madeUp(openId) }, reason: /another room/ },
    // Not of ours at all.
    ...fc
      .sample(fc.jsonValue(), 40)
      .map((data) => ({ id: randomUUID(), data, reason: /no valid/ })),
    ...['x', '__proto__', 'constructor', '\u001b]0;owned\u0007\u009b31m'].map((id) => ({
      id,
      data: sound,
      reason: /no valid/,
    })),
    ...[
      JSON.parse('{"__proto__":{"r":"victim","t":1,"n":9000000000000}}'),
      { ...sound, r: 'x'.repeat(2_000_000) },
      { ...sound, r: 'a\u001b[2J' },
      { ...sound, u: 'x'.repeat(20_000) },
      { ...sound, n: -1 },
      { ...sound, t: 9e15 },
      { ...sound, n: 9e15 },
      { ...sound, t: '1' },
    ].map((data: unknown) => ({ id: randomUUID(), data, reason: /no valid/ })),
  ];
  for (const { id, data } of jobs) await queue.add('destroy', data, { jobId: id });
  // Ours, but for a result that nobody can have had: they are worked on as if it were not there.
  const spoilt = [
    '{}',
    'not JSON',
    madeUp(randomUUID()),
    madeUp('').replace('made up', 'a\\u0000'),
    // As it should be, but nobody with the key has written it.
    madeUp(''),
    `${'A'.repeat(43)}.${madeUp('')}`,
  ];
  const spoiltIds = spoilt.map(() => randomUUID());
  for (const [index, u] of spoilt.entries()) {
    const id = spoiltIds[index] ?? '';
    const data = { ...sound, r: `spoilt ${index}`, u: u.replace('""', `"${id}"`) };
    await queue.add('destroy', data, { jobId: id });
  }

  const worker = startInside(['worker'], options);
  await run(['enqueue', '--room', 'sound'], options);
  await expect
    .poll(() => queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed'), {
      timeout: 40_000,
    })
    .toEqual({ wait: 0, prioritized: 0, active: 0, delayed: 0, failed: jobs.length });
  worker.kill('SIGTERM');
  const ended = await worker.ended;

  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  for (const { id, reason } of jobs) {
    expect((await queue.getJob(id))?.failedReason).toMatch(reason);
  }
  const after = await readDestructions(stores.DATABASE_URL);
  for (const room of ['gone', 'done', 'open']) expect(after.get(room)).toEqual(before.get(room));
  const added = [...after.keys()].filter((room) => !before.has(room)).sort();
  expect(added).toEqual(['sound', ...spoilt.map((_, index) => `spoilt ${index}`)]);
  const report = await server.report();
  expect(report.rooms['victim']).toBeUndefined();
  for (const room of added) {
    expect(after.get(room)).toMatchObject({
      outcome: 'destroyed',
      total_viewers: report.rooms[room]?.totals.TotalViewers,
    });
  }
}, 60_000);

test('times that no calendar has, as a forged job could leave them in the ledger once, break no report', async () => {
  const { env } = await openStage({ scripts: { gone: [{ kind: 'unknown' }] } });
  const options = { env: { ...env, ...(await redisAndPostgres()) } };
  const stdin = lines(['gone', 'done', 'sound']);
  const done = await run(['destroy', '-', '--batch', 'b', '--json'], { ...options, stdin });
  expect(done.code, done.stderr).toBe(0);
  await withPostgres(options.env.DATABASE_URL, async (client) => {
    const far = 'to_timestamp(9e12)';
    await client.query(
      `with those as (
         update room_reaper.destructions set requested_at = ${far}, finished_at = ${far}, not_after = ${far}
          where room_id <> 'sound' returning id
       ), ended as (update room_reaper.batches set finished_at = ${far}, enqueued_at = ${far})
       update room_reaper.attempts set slot_at = ${far}, sent_at = ${far}, ended_at = ${far}
        where destruction_id in (select id from those)`,
    );
  });
  const asked = [
    ...['table', 'json', 'csv', 'ndjson'].map((format) => ['report', 'b', '--format', format]),
    ...[['explain', 'gone'], ['status'], ['audit'], ['audit', '--batch', 'b']].flatMap((args) => [
      args,
      [...args, '--json'],
    ]),
  ];
  for (const args of asked) {
    const { code, stderr } = await run(args, options);
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
  }
});
