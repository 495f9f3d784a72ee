/**
 * `room-reaper enqueue FILE` against bare `addBulk`: a loop that reads the same RoomIds and
 * adds them, a thousand a call, each call awaited; once with nothing but name and RoomId,
 * and once with the options that make a room safe (own id, priority, deduplication). The
 * program does more: it checks the list, counts duplicates, opens a batch in the ledger,
 * and starts. Both as processes of their own, on the same Redis, in turns.
 */
import { Queue } from 'bullmq';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { batchDestructionId, newId } from '../src/queue/destruction-id.js';
import { queueName } from '../src/queue/job.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { median, type Bench } from './bench.js';
import { peakMemoryMB } from './support/processes.js';

const sdkAppId = 1_400_000_001;

type Bare = 'nothing' | 'options';

/** The loop, run as a process of its own: `node enqueue.js URL FILE nothing|options`. */
async function addBare(url: string, file: string, which: Bare): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(queueName(sdkAppId), {
    connection: redis,
    streams: { events: { maxLen: 1_000 } },
  });
  await queue.waitUntilReady();
  const batchId = newId();
  const now = Date.now();
  const asJob = (roomId: string) =>
    which === 'nothing'
      ? { name: 'destroy', data: { roomId } }
      : {
          name: 'destroy',
          data: { roomId, batchId },
          opts: {
            jobId: batchDestructionId(batchId, now, roomId),
            priority: 4,
            deduplication: { id: roomId },
          },
        };
  let chunk: string[] = [];
  for await (const roomId of createInterface({ input: createReadStream(file) })) {
    chunk.push(roomId);
    if (chunk.length < 1_000) continue;
    await queue.addBulk(chunk.map(asJob));
    chunk = [];
  }
  if (chunk.length > 0) await queue.addBulk(chunk.map(asJob));
  await queue.close();
  redis.disconnect();
}

async function secondsOf(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return (performance.now() - startedAt) / 1000;
}

async function succeeds(child: ReturnType<typeof spawn>): Promise<void> {
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`a process ended with ${String(code)}`);
}

/** Most memory of a process while it runs, in MB of a million bytes. */
function watchMemory(pid: number | undefined): () => number {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, peakMemoryMB(pid));
  }, 50);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

export default {
  title: 'rooms/s of `enqueue FILE` against bare addBulk, and memory',
  async run({ short, servers, program, say }) {
    const rooms = short ? 10_000 : 1_000_000;
    const rounds = short ? 1 : 3;
    const roundRooms = short ? rooms : 200_000;
    const folder = mkdtempSync(join(tmpdir(), 'room-reaper-bench-'));
    const redis = await ownRedis(servers);
    const client = new Redis(redis.url);
    try {
      const list = (count: number) => {
        const file = join(folder, `${count}.txt`);
        writeFileSync(file, Array.from({ length: count }, (_, n) => `live-room-${n}\n`).join(''));
        return file;
      };
      const waiting = async () => {
        const name = `bull:${queueName(sdkAppId)}`;
        return (await client.zcard(`${name}:prioritized`)) + (await client.llen(`${name}:wait`));
      };
      async function measure(count: number, run: () => Promise<void>): Promise<number> {
        await client.flushall();
        const seconds = await secondsOf(run);
        if ((await waiting()) !== count)
          throw new Error(`${count} rooms must wait, got ${await waiting()}`);
        return seconds;
      }
      const bare = (which: Bare, file: string) => () =>
        succeeds(fork(fileURLToPath(import.meta.url), [redis.url, file, which]));
      async function ours(file: string): Promise<number> {
        const database = await createOwnDatabase(servers);
        try {
          const child = spawn(process.execPath, [program, 'enqueue', file, '--yes'], {
            cwd: folder,
            stdio: ['ignore', 'ignore', 'inherit'],
            env: {
              PATH: process.env.PATH,
              TENCENT_SDK_APP_ID: String(sdkAppId),
              QUEUE_URL: redis.url,
              DATABASE_URL: database.url,
            },
          });
          const peak = watchMemory(child.pid);
          await succeeds(child);
          return peak();
        } finally {
          await database.drop();
        }
      }

      const file = list(roundRooms);
      const ratios = { nothing: [] as number[], options: [] as number[] };
      for (let round = 1; round <= rounds; round++) {
        const nothing = await measure(roundRooms, bare('nothing', file));
        const enqueue = await measure(roundRooms, () => ours(file).then(() => undefined));
        const options = await measure(roundRooms, bare('options', file));
        ratios.nothing.push(nothing / enqueue);
        ratios.options.push(options / enqueue);
        const perSecond = (seconds: number) => `${Math.round(roundRooms / seconds)}/s`;
        say(
          `enqueue ${perSecond(enqueue)}, addBulk with nothing ${perSecond(nothing)}, with the options ${perSecond(options)}`,
        );
      }
      let peakMB = 0;
      const seconds = await measure(rooms, async () => {
        peakMB = await ours(list(rooms));
      });
      return [
        {
          name: 'speed against addBulk with the same options',
          value: median(ratios.options),
          goal: { atLeast: 0.9 },
        },
        { name: 'speed against addBulk with name and RoomId only', value: median(ratios.nothing) },
        { name: `rooms/s, ${rooms} rooms`, value: rooms / seconds },
        {
          name: `memory of the process in MB, ${rooms} rooms`,
          value: peakMB,
          goal: { atMost: 200 },
        },
      ];
    } finally {
      client.disconnect();
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
} satisfies Bench;

// As the process that the benchmark forks.
const [, script, url, file, which] = process.argv;
if (script === fileURLToPath(import.meta.url) && url !== undefined && file !== undefined)
  await addBare(url, file, which === 'options' ? 'options' : 'nothing');
