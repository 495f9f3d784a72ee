/**
 * How long an urgent room takes from the producer to the API's door while a long bulk list
 * waits and the line is saturated; what the bulk gets meanwhile; and how long a batch of
 * 100 takes that begins behind it. Measured at a counting server with 50 ms of latency.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openProducer } from '../src/producer/index.js';
import { startCountingServer } from '../test/support/counting-server.js';
import { withPostgres } from '../test/support/postgres.js';
import { arrivalsOnTheWallClock } from '../test/support/arrivals.js';
import { percentile, type Bench } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';

const sdkAppId = 1_400_000_001;
const quota = 200;

export default {
  title: 'start delay of urgent rooms behind a long list',
  async run({ short, servers, program, say }) {
    const bulk = short ? 1_000 : 100_000;
    const urgent = short ? 10 : 300;
    const secretKey = 'a'.repeat(64);
    const [redis, database, server] = await Promise.all([
      ownRedis(servers),
      createOwnDatabase(servers),
      startCountingServer({ sdkAppId, secretKey, adminIdentifier: 'administrator', latencyMs: 50 }),
    ]);
    const folder = mkdtempSync(join(tmpdir(), 'room-reaper-bench-'));
    const env = {
      PATH: process.env.PATH,
      TENCENT_SDK_APP_ID: String(sdkAppId),
      TENCENT_SECRET_KEY: secretKey,
      TENCENT_ENDPOINT: server.url,
      QUEUE_URL: redis.url,
      DATABASE_URL: database.url,
      LOG_LEVEL: 'error',
    };
    const start = (args: readonly string[]) =>
      spawn(process.execPath, [program, ...args], {
        cwd: folder,
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    async function enqueue(name: string, rooms: number): Promise<void> {
      const file = join(folder, `${name}.txt`);
      writeFileSync(file, Array.from({ length: rooms }, (_, n) => `${name}-${n}\n`).join(''));
      const [code] = (await once(start(['enqueue', file, '--yes']), 'exit')) as [number];
      if (code !== 0) throw new Error(`enqueue ended with ${code}`);
    }
    try {
      await enqueue('bulk', bulk);
      const worker = start(['worker']);
      const died = once(worker, 'exit').then(() => {
        throw new Error('the worker ended before its work was done');
      });
      died.catch(() => undefined);
      const reached = (requests: number) => Promise.race([server.reached(requests), died]);
      await reached(400);
      const producer = await openProducer({ queueUrl: redis.url, sdkAppId });
      const small = enqueue('small', 100).then(() => Date.now());
      for (let sent = 0; sent < urgent; sent++) {
        await producer.destroy(`urgent-${sent}`, { urgent: true });
        // Between 50 and 250 ms apart, at any point of the line's own rhythm.
        await sleep(50 + Math.random() * 200);
      }
      await producer.close();
      const smallWaitsSince = await small;
      if (short) await reached(bulk + urgent + 100);
      // The last urgent room was asked for just now. (The server must not be asked for its
      // report yet: making it holds up its clock.)
      else await sleep(3_000);
      worker.kill('SIGTERM');
      await died.catch(() => undefined);

      const report = await server.report();
      if (report.worstWindow > quota) {
        const stalls = report.stalls.map(({ fromMs, untilMs }) => Math.round(untilMs - fromMs));
        throw new Error(
          `worst window ${report.worstWindow}; the server stood still for ${stalls.join(', ') || 0} ms`,
        );
      }
      const { rows } = await withPostgres(database.url, (client) =>
        client.query<{ room_id: string; requested_at: number; sent_at: number }>(
          `select d.room_id, extract(epoch from d.requested_at)::float8 * 1000 as requested_at,
                  extract(epoch from a.sent_at)::float8 * 1000 as sent_at
             from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id
            where a.sent_at is not null`,
        ),
      );
      const arrivals = arrivalsOnTheWallClock(
        report,
        new Map(rows.map((row) => [row.room_id, row.sent_at])),
      );
      const delays = rows
        .filter((row) => row.room_id.startsWith('urgent-'))
        .map((row) => (arrivals.get(row.room_id) ?? Number.NaN) - row.requested_at);
      if (delays.length !== urgent)
        throw new Error(`${urgent} urgent rooms must be sent, got ${delays.length}`);
      const ends = [...arrivals].filter(([room]) => room.startsWith('small-')).map(([, at]) => at);
      if (ends.length !== 100)
        throw new Error(`100 rooms of the small batch must be sent, got ${ends.length}`);
      const times = report.requests.map(({ atMs }) => atMs);
      const perSecond = ((times.length - 1) * 1_000) / ((times.at(-1) ?? 0) - (times[0] ?? 0));
      say(`${bulk} rooms waited; ${times.length} requests arrived`);
      return [
        { name: 'urgent, p50 in ms', value: percentile(delays, 0.5) },
        { name: 'urgent, p99 in ms', value: percentile(delays, 0.99), goal: { atMost: 1_000 } },
        { name: 'urgent, worst in ms', value: Math.max(...delays) },
        { name: 'quota used by all', value: perSecond / quota, goal: { atLeast: 0.97 } },
        {
          name: 'a batch of 100 behind it, in s',
          value: (Math.max(...ends) - smallWaitsSince) / 1000,
        },
      ];
    } finally {
      await Promise.all([redis.stop(), server.close()]);
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
} satisfies Bench;
