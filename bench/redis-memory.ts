/**
 * What a waiting room takes of Redis: `used_memory` before and after a list is put on the
 * queue, at Redis's defaults and with deploy/redis.conf, with RoomIds of 16 and of 48 bytes.
 */
import { Redis } from 'ioredis';
import { addChunk, addDestructions } from '../src/producer/add.js';
import { batchDestructionId, newId } from '../src/queue/destruction-id.js';
import { openQueue } from '../src/queue/open.js';
import { turnOf } from '../src/queue/turns.js';
import { ownRedis } from './servers.js';
import type { Bench, BenchContext, Figure } from './bench.js';

/** What deploy/redis.conf changes about memory, set back. */
const defaults = { 'hash-max-listpack-value': '64' };

/** Added before it is measured. */
const firstRooms = 2_000;

async function bytesPerRoom(
  { servers }: BenchContext,
  rooms: number,
  roomIdBytes: number,
  settings: Record<string, string>,
): Promise<number> {
  const redis = await ownRedis(servers, { settings });
  const client = new Redis(redis.url);
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  const opened = await openQueue({
    sdkAppId: 1_400_000_001,
    connection: { kind: 'redis', url: redis.url },
    onError: () => undefined,
  });
  try {
    const batchId = newId();
    const now = Date.now();
    const placement = { lane: 'bulk' as const, delayMs: 0 };
    const add = async (from: number, to: number) => {
      for (let next = from; next < to; next += addChunk) {
        const chunk = Array.from({ length: Math.min(addChunk, to - next) }, (_, index) => {
          const roomId = String(next + index).padStart(roomIdBytes, 'room-');
          const id = batchDestructionId(batchId, now, roomId);
          return { id, roomId, batchId, requestedAtMs: now, notAfterMs: now + 86_400_000 };
        });
        await addDestructions(opened.queue, chunk, placement, (index) => turnOf(4, next + index));
      }
    };
    // What the first rooms bring with them (scripts, a stream of the newest thousand events)
    // is not a room's.
    await add(0, firstRooms);
    const before = await used();
    await add(firstRooms, firstRooms + rooms);
    const waiting = await opened.queue.getPrioritizedCount();
    if (waiting !== firstRooms + rooms)
      throw new Error(`${firstRooms + rooms} rooms must wait, got ${waiting}`);
    return ((await used()) - before) / rooms;
  } finally {
    await opened.close();
    client.disconnect();
    await redis.stop();
  }
}

export default {
  title: 'bytes of Redis for a waiting room',
  async run(context) {
    const rooms = context.short ? 10_000 : 200_000;
    const figures: Figure[] = [];
    for (const [name, settings, atMost] of [
      ['deploy/redis.conf', {}, 700],
      ["Redis's defaults", defaults, 1_100],
    ] as const) {
      for (const roomIdBytes of [16, 48]) {
        const value = await bytesPerRoom(context, rooms, roomIdBytes, settings);
        figures.push({
          name: `bytes per room, ${name}, RoomIds of ${roomIdBytes} bytes`,
          value,
          ...(roomIdBytes === 16 ? { goal: { atMost } } : {}),
        });
      }
    }
    return figures;
  },
} satisfies Bench;
