/** Holding the queue by hand, and letting it go on. */
import { haltOf, readLines, resumeLine, type Halt } from '../ledger/line.js';
import { limitRemedy, readLimit } from '../queue/depth.js';
import type { Service } from './service.js';

/** No worker takes up another room, until `resume`. */
export async function pause(service: Service): Promise<void> {
  const { queue } = await service.queue();
  await queue.pause();
}

/** What still slows or holds the queue after `resume`, and how it is lifted; undefined: nothing. */
export async function readLimitLeft(service: Service): Promise<string | undefined> {
  const limit = await readLimit((await service.queue()).queue);
  return limit === undefined ? undefined : describeLimit(limit);
}

export function describeLimit(limit: string): string {
  return `a dashboard or a script set ${limit} for the queue; ${limitRemedy}`;
}

export interface ResumedLine {
  host: string;
  /** What had stopped it. */
  halt: Halt | undefined;
}

/**
 * Goes on after `pause`, and after a line was stopped and its cause mended.
 *
 * @returns the lines of the app that were stopped, or in an outage.
 */
export async function resume(service: Service): Promise<ResumedLine[]> {
  const { database, config, intervalMs } = service;
  const { queue } = await service.queue();
  await queue.resume();
  const resumed: ResumedLine[] = [];
  for (const { id, host, state } of await readLines(database, config.sdkAppId, intervalMs)) {
    if (await resumeLine(database, id)) resumed.push({ host, halt: haltOf(state) });
  }
  return resumed;
}
