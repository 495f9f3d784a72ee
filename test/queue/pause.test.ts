/** Who paused a queue, the same on each place where a queue can live. */
import { describe, expect, test } from 'vitest';
import { servers, useQueue } from './places.js';

const byAna = { by: 'ana', note: 'maintenance of X', sinceMs: 1_796_000_000_000 };

describe.each(servers)('a pause on %s', (_name, open) => {
  const opened = useQueue(open);

  test('keeps who, why and since when, and pauses; the name goes with it', async () => {
    const { pause, queue } = opened;
    expect(await pause.read()).toBeUndefined();
    await pause.pause(byAna);
    expect(await queue.isPaused()).toBe(true);
    expect(await pause.read()).toEqual(byAna);
    await pause.resume();
    expect(await queue.isPaused()).toBe(false);
    expect(await pause.read()).toBeUndefined();
  });

  test('that a dashboard ends takes its name with it: the next one, of a dashboard too, has none', async () => {
    const { pause, queue } = opened;
    await pause.pause(byAna);
    await queue.resume();
    expect(await pause.read()).toBeUndefined();
    await queue.pause();
    expect(await pause.read()).toBeUndefined();
    await pause.pause({ by: 'ben', sinceMs: 7 });
    expect(await pause.read()).toEqual({ by: 'ben', sinceMs: 7 });
  });

  test('whose note somebody else wrote, and not as we do, has no name', async () => {
    const { pause, queue } = opened;
    await pause.pause({ ...byAna, by: 'a'.repeat(201) });
    expect(await queue.isPaused()).toBe(true);
    expect(await pause.read()).toBeUndefined();
  });

  test('holds rooms back until it is ended', async () => {
    const { pause, queue } = opened;
    await pause.pause(byAna);
    const data = { r: 'a', l: 3_600_000 };
    await queue.add('d', data, { jobId: '01a2073e-32c4-70d0-899f-5e9c7571380b', priority: 3 });
    const taken: string[] = [];
    const worker = await opened.createWorker(
      (job) => {
        taken.push(String(job.data.r));
        return Promise.resolve();
      },
      { autorun: true, drainDelay: 1 },
    );
    await worker.waitUntilReady();
    expect((await queue.getJobCounts('prioritized', 'active')).active).toBe(0);
    expect(taken).toEqual([]);
    await pause.resume();
    await expect.poll(() => taken, { timeout: 30_000 }).toEqual(['a']);
    await worker.close();
  });
});
