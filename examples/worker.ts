/**
 * A worker inside a service of your own; `room-reaper worker` is the same as a program.
 * Run as many as you like: together they keep the quota of the app.
 *
 *   export QUEUE_URL=redis://localhost DATABASE_URL=postgres://localhost/room_reaper
 *   export TENCENT_SDK_APP_ID=1400000001 TENCENT_SECRET_KEY_FILE=/run/secrets/tencent
 *   npx tsx examples/worker.ts
 */
import { readConfig, startWorker } from 'room-reaper/worker';

// Throws an error that lists every problem of the configuration at once.
const config = readConfig(process.env);

const worker = await startWorker(config, {
  // The ledger has it by then: that is what to rely on, a killed worker tells nobody.
  onEnded: ({ roomId, outcome, statistics }) =>
    console.log(`${roomId}: ${outcome}, ${statistics?.totalViewers ?? 'unknown'} viewers`),
  // A wrong key, a disabled account: nothing is sent until a person has mended it.
  onLineStopped: ({ reason, remedy }) => console.error(`stopped: ${reason}; ${remedy ?? ''}`),
});
console.log('working; stop with SIGTERM');

// Requests in flight are finished and recorded, all others go back to the queue.
process.once('SIGTERM', () => void worker.close());
process.once('SIGINT', () => void worker.close());
