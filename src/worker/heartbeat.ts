/** A worker says every few seconds that it lives, and what it does. */
import type { Database } from '../ledger/database.js';
import { latestMigration } from '../ledger/schema.js';
import { beat, beatEveryMs, forgetOldWorkers, type WorkerBeat } from '../ledger/workers.js';

/**
 * The first beat is heard before this returns: others count on a worker from then on. A ledger
 * that is away is no trouble here; whatever needs it says so.
 *
 * @param onNewer - told, once, of the ledger's schema version where it is newer than this program
 *   knows: somebody brought it up to date meanwhile.
 */
export async function startHeartbeat(
  database: Database,
  read: () => WorkerBeat,
  onNewer: (version: number) => void,
) {
  let isNewer = false;
  let last: Promise<unknown> = send();
  await last;
  void forgetOldWorkers(database).catch(() => undefined);
  const beating = setInterval(() => {
    last = send().then((version = 0) => {
      if (isNewer || version <= latestMigration()) return;
      isNewer = true;
      onNewer(version);
    });
  }, beatEveryMs);

  function send(changes: Partial<WorkerBeat> = {}): Promise<number | undefined> {
    return beat(database, { ...read(), ...changes }).catch(() => undefined);
  }
  return {
    stop: () => clearInterval(beating),
    /** Says that it has ended: nobody waits for it. */
    async end(): Promise<void> {
      await last;
      await send({ state: 'ended', inHand: 0 });
    },
  };
}
