/**
 * What the embedded default can do, against Redis and Postgres: rooms per second of one worker
 * with the quota lifted, and at the normal pace the share of the quota used and the worst
 * sliding second. Same rooms, same server, in turns.
 */
import { median, type Bench } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { ratePerSecond } from './support/arrivals.js';
import { race, type Place, type RaceOptions } from './support/contestants.js';

const quota = 200;

export default {
  title: 'the embedded default against Redis and Postgres',
  async run({ short, servers, program, say }) {
    const turns = short ? 1 : 3;
    const normal: RaceOptions = {
      rooms: short ? 400 : 4_000,
      processes: 1,
      latencyMs: 50,
      concurrency: 100,
      quota,
      warmUp: short ? 100 : 200,
      coolDown: 100,
    };
    const lifted: RaceOptions = {
      ...normal,
      rooms: short ? 800 : 10_000,
      concurrency: 200,
      quota: undefined,
      warmUp: short ? 200 : 3_000,
      coolDown: 300,
    };
    const redis = await ownRedis(servers);
    const places: Record<string, Place> = {
      'Redis and Postgres': {
        program,
        queueUrl: redis.url,
        openLedger: () => createOwnDatabase(servers),
      },
      'embedded default': {
        program,
        queueUrl: 'embedded',
        openLedger: () => Promise.resolve({ url: 'embedded', drop: () => Promise.resolve() }),
      },
    };
    const found = new Map(
      Object.keys(places).map((name) => [
        name,
        { rate: [] as number[], used: [] as number[], window: [] as number[] },
      ]),
    );
    try {
      for (let turn = 1; turn <= turns; turn++) {
        for (const [name, place] of Object.entries(places)) {
          const unlimited = await race(place, 'room-reaper', lifted);
          const atPace = await race(place, 'room-reaper', normal);
          const { warmUp, rooms, coolDown } = lifted;
          const rate = ratePerSecond(unlimited.instants, warmUp, rooms - coolDown);
          const used = ratePerSecond(atPace.instants) / quota;
          found.get(name)?.rate.push(rate);
          found.get(name)?.used.push(used);
          found.get(name)?.window.push(atPace.worstWindow);
          say(
            `turn ${turn}, ${name}: ${rate.toFixed(0)} rooms/s, quota used ${used.toFixed(3)}, worst window ${atPace.worstWindow}`,
          );
        }
      }
    } finally {
      await redis.stop();
    }
    return [...found].flatMap(([name, { rate, used, window }]) => [
      { name: `rooms/s, quota lifted, ${name}`, value: median(rate) },
      { name: `quota used at 200/s, ${name}`, value: median(used), goal: { atLeast: 0.97 } },
      {
        name: `worst window at 200/s, ${name}`,
        value: Math.max(...window),
        goal: { atMost: quota },
      },
    ]);
  },
} satisfies Bench;
