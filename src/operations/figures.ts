/** What monitoring is told of the service as a whole, besides its status. */
import { countUnfinished } from '../ledger/batches.js';
import { countedUntil, readMinutes } from '../ledger/minutes.js';
import type { Service } from './service.js';
import type { Status } from './status.js';

export interface Figures {
  /** How long the room that waits longest has waited, in seconds; undefined: none waits. */
  oldestWaitingSeconds: number | undefined;
  unfinishedBatches: number;
  /** Most requests to one host in any sliding second of the last minute that is counted. */
  worstWindow: number | undefined;
}

const minuteMs = 60_000;

/** @param status - a look at the same service, as it was a moment ago. */
export async function readFigures(
  { database, config: { sdkAppId } }: Pick<Service, 'database' | 'config'>,
  status: Status,
): Promise<Figures> {
  const oldestAtMs = status.queue?.oldestAtMs;
  const until = await countedUntil(database, sdkAppId);
  const last =
    until === undefined
      ? []
      : await readMinutes(database, { sdkAppId, fromMs: until - minuteMs, toMs: until });
  return {
    oldestWaitingSeconds: oldestAtMs === undefined ? undefined : (Date.now() - oldestAtMs) / 1_000,
    unfinishedBatches: await countUnfinished(database, sdkAppId),
    worstWindow: last[0]?.worstWindow,
  };
}
