/**
 * What people write first: BullMQ, got and p-retry, with BullMQ's own limiter. It keeps no
 * promise (nothing is recorded, no statistics are saved, the limiter counts jobs and not
 * requests), so what it costs is what any worker of this kind costs at least.
 *
 * The process that measures starts it: node bare-worker.ts '{"redisUrl":…}'
 */
import http from 'node:http';
import { Worker } from 'bullmq';
import got from 'got';
import { Redis } from 'ioredis';
import pRetry from 'p-retry';
import { createSigner } from '../../src/tencent/user-sig.js';

export interface BareWorkerOptions {
  redisUrl: string;
  queueName: string;
  endpoint: string;
  sdkAppId: number;
  secretKey: string;
  concurrency: number;
  /** Of BullMQ's limiter; absent: none. */
  limit?: { max: number; duration: number };
}

const options = JSON.parse(process.argv[2] ?? '{}') as BareWorkerOptions;
const signature = createSigner({
  sdkAppId: options.sdkAppId,
  secretKey: options.secretKey,
  adminIdentifier: 'administrator',
}).current().text;
const client = got.extend({
  agent: { http: new http.Agent({ keepAlive: true }) },
  retry: { limit: 0 },
});

async function destroyRoom(roomId: string): Promise<void> {
  const random = Math.floor(Math.random() * 2 ** 32);
  const reply = await client
    .post(
      `${options.endpoint}/v4/live_engine_http_srv/destroy_room?sdkappid=${options.sdkAppId}` +
        `&identifier=administrator&contenttype=json&usersig=${encodeURIComponent(signature)}&random=${random}`,
      { json: { RoomId: roomId }, timeout: { request: 8_000 } },
    )
    .json<{ ErrorCode: number }>();
  if (reply.ErrorCode !== 0) throw new Error(`ErrorCode ${reply.ErrorCode}`);
}

const worker = new Worker<{ roomId: string }>(
  options.queueName,
  (job) => pRetry(() => destroyRoom(job.data.roomId), { retries: 2 }),
  {
    connection: new Redis(options.redisUrl, { maxRetriesPerRequest: null }),
    concurrency: options.concurrency,
    removeOnComplete: { count: 0 },
    ...(options.limit ? { limiter: options.limit } : {}),
  },
);
worker.on('error', (error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
process.stderr.write('worker started\n');
process.once('SIGTERM', () => void worker.close().then(() => process.exit(0)));
