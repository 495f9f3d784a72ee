/** The queue of the bare loop (bare-worker.ts): plain jobs, put there with plain `addBulk`. */
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

export const bareQueueName = 'bare';

const chunk = 1_000;

export async function fillBareQueue(redisUrl: string, roomIds: readonly string[]): Promise<void> {
  await withBareQueue(redisUrl, async (queue) => {
    for (let from = 0; from < roomIds.length; from += chunk) {
      await queue.addBulk(
        roomIds.slice(from, from + chunk).map((roomId) => ({ name: 'destroy', data: { roomId } })),
      );
    }
  });
}

/** Jobs that are not done. */
export async function countBareJobs(redisUrl: string): Promise<number> {
  return withBareQueue(redisUrl, (queue) => queue.count());
}

async function withBareQueue<T>(url: string, use: (queue: Queue) => Promise<T>): Promise<T> {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue(bareQueueName, { connection });
  try {
    return await use(queue);
  } finally {
    await queue.close();
    connection.disconnect();
  }
}
