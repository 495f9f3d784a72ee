/** The queue as other tools see it: a dashboard, a script, a service. */
import { addDestructions } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import type { ManyJobs } from '../../src/queue/many-jobs.js';
import { openQueue } from '../../src/queue/open.js';
import type { DestroyQueue } from '../../src/queue/job.js';
import { afterThisTest } from './room-reaper.js';

/** BullMQ's own queue, and a way to ask for a room as `producer.destroy` does. */
export type TestQueue = DestroyQueue & {
  addRoom(roomId: string): Promise<string>;
  readonly jobs: ManyJobs;
};

/** Opens it until the end of the test. */
export async function openTestQueue(
  sdkAppId: number,
  url: string,
  prefix?: string,
): Promise<TestQueue> {
  const opened = await openQueue({
    sdkAppId,
    connection: url.startsWith('redis')
      ? { kind: 'redis', url, prefix }
      : { kind: 'postgres', connection: { connectionString: url }, shownAs: 'the test queue' },
    onError: () => undefined,
  });
  afterThisTest(() => opened.close());
  return Object.assign(opened.queue, {
    jobs: opened.jobs,
    async addRoom(roomId: string) {
      const now = Date.now();
      const [added] = await addDestructions(
        opened.queue,
        [
          {
            id: newId(),
            roomId,
            batchId: undefined,
            requestedAtMs: now,
            notAfterMs: now + 3_600_000,
          },
        ],
        { lane: 'normal', delayMs: 0 },
      );
      return added?.destructionId ?? '';
    },
  });
}
