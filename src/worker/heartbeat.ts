/** A worker says every few seconds that it lives, and what it does. */
import type { Database } from '../ledger/database.js';
import { beat, beatEveryMs, forgetOldWorkers, type WorkerBeat } from '../ledger/workers.js';

/**
 * The first beat is heard before this returns: others count on a worker from then on. A ledger
 * that is away is no trouble here; whatever needs it says so.
 */
export async function startHeartbeat(database: Database, read: () => WorkerBeat) {
  let last = send();
  await last;
  void forgetOldWorkers(database).catch(() => undefined);
  const beating = setInterval(() => {
    last = send();
  }, beatEveryMs);

  function send(changes: Partial<WorkerBeat> = {}): Promise<void> {
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
