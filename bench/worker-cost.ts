/**
 * What the promises cost: CPU per room of one worker at the normal pace, and rooms per second
 * with the quota lifted, against a bare BullMQ + got + p-retry loop that keeps no promise and
 * saves nothing (support/bare-worker.ts). Both take the same rooms from the same Redis to the
 * same server, in turns; CPU is user and system time of the worker process, after a warm-up.
 *
 * BENCH_PROFILE=FOLDER writes CPU profiles of both.
 */
import { median, type Bench } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { ratePerSecond } from './support/arrivals.js';
import { race, type Contestant, type RaceOptions } from './support/contestants.js';

const contestants = ['bare loop', 'room-reaper'] as const;

export default {
  title: 'CPU per room and rooms/s of one worker, against a bare loop',
  async run({ short, servers, program, say }) {
    const turns = short ? 1 : 3;
    const normal: RaceOptions = {
      rooms: short ? 800 : 4_000,
      processes: 1,
      latencyMs: 50,
      concurrency: 100,
      quota: 200,
      warmUp: short ? 200 : 1_000,
      coolDown: 100,
      profile: process.env.BENCH_PROFILE,
    };
    const lifted: RaceOptions = {
      ...normal,
      rooms: short ? 2_000 : 15_000,
      concurrency: 200,
      quota: undefined,
      warmUp: short ? 500 : 5_000,
      coolDown: 500,
    };
    const redis = await ownRedis(servers);
    const place = {
      program,
      queueUrl: redis.url,
      openLedger: () => createOwnDatabase(servers),
    };

    async function measure(pace: string, options: RaceOptions) {
      const cpu: Record<Contestant, number[]> = { 'bare loop': [], 'room-reaper': [] };
      const rate: Record<Contestant, number[]> = { 'bare loop': [], 'room-reaper': [] };
      for (let turn = 1; turn <= turns; turn++) {
        for (const contestant of contestants) {
          const { cpuMsPerRoom, instants } = await race(place, contestant, options);
          const { warmUp, rooms, coolDown } = options;
          const roomsPerSecond = ratePerSecond(instants, warmUp, rooms - coolDown);
          cpu[contestant].push(cpuMsPerRoom);
          rate[contestant].push(roomsPerSecond);
          say(
            `${pace}, turn ${turn}, ${contestant}: ${cpuMsPerRoom.toFixed(3)} ms of CPU a room, ${roomsPerSecond.toFixed(0)} rooms/s`,
          );
        }
      }
      return {
        cpu: { bare: median(cpu['bare loop']), ours: median(cpu['room-reaper']) },
        rate: { bare: median(rate['bare loop']), ours: median(rate['room-reaper']) },
      };
    }

    try {
      const atPace = await measure('200 a second', normal);
      const unlimited = await measure('quota lifted', lifted);
      return [
        { name: 'CPU ms per room at 200/s, bare loop', value: atPace.cpu.bare },
        { name: 'CPU ms per room at 200/s, room-reaper', value: atPace.cpu.ours },
        {
          name: 'CPU per room at 200/s, × bare loop',
          value: atPace.cpu.ours / atPace.cpu.bare,
          goal: { atMost: 1.3 },
        },
        { name: 'CPU ms per room, quota lifted, bare loop', value: unlimited.cpu.bare },
        { name: 'CPU ms per room, quota lifted, room-reaper', value: unlimited.cpu.ours },
        {
          name: 'CPU per room, quota lifted, × bare loop',
          value: unlimited.cpu.ours / unlimited.cpu.bare,
        },
        { name: 'rooms/s, quota lifted, bare loop', value: unlimited.rate.bare },
        {
          name: 'rooms/s, quota lifted, room-reaper',
          value: unlimited.rate.ours,
          goal: { atLeast: 600 },
        },
      ];
    } finally {
      await redis.stop();
    }
  },
} satisfies Bench;
