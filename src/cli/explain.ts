/** `room-reaper explain`: why a room is still alive, or what became of it. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { readLastSlot, readRoomHistory } from '../ledger/explain.js';
import { readLines } from '../ledger/line.js';
import { slotInterval } from '../limiter/pace.js';
import { roomIdProblem } from '../room-id.js';
import { locateJob, locateRoom, type LocatedJob } from '../queue/locate.js';
import { toJson, toText, type Explanation } from './explanation.js';
import { print, type Io } from './io.js';
import { withStores, type OpenStores } from './with-stores.js';

const help = `
Examples:
  room-reaper explain live-room-42
  room-reaper explain -- '-a room id that begins with a dash'
  room-reaper explain live-room-42 --json

It asks the queue and the ledger and sends nothing. The exit code is 0 whatever became of
the room, also where it was never asked for.`;

/** What is shown of a room that was asked for again and again: the newest. */
const most = { destructions: 5, attempts: 50 };

export function explainCommand(io: Io): Command {
  return new Command('explain')
    .description('why a room is still alive, or what became of it')
    .argument('<ROOM_ID>', 'the room')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (roomId: string, flags: { json?: boolean }) => {
      const problem = roomIdProblem(roomId);
      if (problem !== undefined) throw new ReaperError('INVALID', problem);
      const config = readConfig(io.env, { app: true, credentials: false });
      await withStores(config, io, async (stores) => {
        const explanation = await explain(config, stores, roomId);
        print(io, flags.json ? toJson(explanation) : toText(explanation));
      });
    });
}

export async function explain(
  config: Config,
  stores: OpenStores,
  roomId: string,
): Promise<Explanation> {
  const { queue, lookUp, database } = stores;
  const intervalMs = slotInterval(config.rateLimitPerSecond, config.arrivalJitterMs);
  const { host } = new URL(config.endpoint);
  // The queue first: a job that ends between the two is in the ledger by then.
  const pending = await locateRoom(queue, lookUp, roomId);
  const [history, lines, paused] = await Promise.all([
    readRoomHistory(database, config.sdkAppId, roomId, most),
    readLines(database, config.sdkAppId, intervalMs),
    queue.isPaused(),
  ]);
  const line = lines.find((each) => each.host === host);
  const jobs = new Map<string, LocatedJob>(pending && [[pending.id, pending]]);
  for (const { id } of history.destructions) {
    const job = jobs.get(id) ?? (await locateJob(queue, lookUp, id));
    if (job !== undefined) jobs.set(id, job);
  }
  return {
    roomId,
    nowMs: Date.now(),
    paused,
    host,
    line,
    lastSlotAtMs: line && (await readLastSlot(database, line.id)),
    fullRatePerSecond: 1000 / intervalMs,
    pending,
    jobs,
    history,
  };
}
