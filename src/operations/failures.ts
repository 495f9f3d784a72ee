/** What kept rooms from being destroyed, by code: what it means, and what to do. */
import { planReplay, type ReplayChoice, type ReplayGroup } from '../ledger/replay.js';
import { explainProblem } from './report.js';
import type { Service } from './service.js';

export type FailuresWish = Pick<ReplayChoice, 'batchId' | 'endedFromMs' | 'endedToMs'>;

/** Of rooms whose newest destruction did not find them gone; those that are gone since are no failures. */
export async function readFailures(
  { database, config }: Pick<Service, 'database' | 'config'>,
  wish: FailuresWish,
): Promise<ReplayGroup[]> {
  const everything = { codes: undefined, outcomes: undefined, roomIds: undefined, force: false };
  const unprotected = { rooms: [], patterns: [] };
  const groups = await planReplay(database, {
    ...{ ...everything, ...wish },
    ...{ sdkAppId: config.sdkAppId, protectedRooms: unprotected },
  });
  return groups.filter(({ fate }) => fate !== 'gone');
}

/** The shape is a contract. */
export function failuresJson(groups: readonly ReplayGroup[]): object {
  return {
    errors: groups.map((group) => {
      const { outcome, errorCode = null, errorInfo = null, rooms, example, fate } = group;
      const { meaning = null, remedy = null } = explainProblem(group);
      const fateJson = {
        pending: fate === 'pending',
        wouldFailAgain: fate === 'refused' || fate === 'recreated',
      };
      return { outcome, errorCode, errorInfo, meaning, remedy, rooms, example, ...fateJson };
    }),
  };
}
