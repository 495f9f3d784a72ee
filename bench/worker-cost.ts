/**
 * What the promises cost: CPU per room of one worker at the normal pace, and rooms per second
 * with the quota lifted, against a bare BullMQ + got + p-retry loop that keeps no promise and
 * saves nothing (support/bare-worker.ts). All take the same rooms from the same Redis to the
 * same server, in turns; CPU is user and system time of the worker process, after a warm-up.
 *
 * BENCH_PROFILE=FOLDER writes CPU profiles of all.
 */
import { median, type Bench } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { ratePerSecond } from './support/arrivals.js';
import { race, type Contestant, type RaceOptions } from './support/contestants.js';

export default {
  title: 'CPU per room and rooms/s of one worker, against a bare loop',
  async run({ short, servers, program, say }) {
    const turns = short ? 1 : 3;
    const normal: RaceOptions = {
      rooms: short ? 400 : 4_000,
      processes: 1,
      latencyMs: 50,
      concurrency: 100,
      quota: 200,
      warmUp: short ? 100 : 1_000,
      coolDown: 100,
      profile: process.env.BENCH_PROFILE,
    };
    const lifted: RaceOptions = {
      ...normal,
      rooms: short ? 1_200 : 15_000,
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

    async function measure<C extends Contestant>(
      pace: string,
      contestants: readonly C[],
      options: RaceOptions,
    ) {
      const measured = contestants.map((contestant) => ({
        contestant,
        cpu: [] as number[],
        rate: [] as number[],
      }));
      for (let turn = 1; turn <= turns; turn++) {
        for (const { contestant, cpu, rate } of measured) {
          const { cpuMsPerRoom, instants } = await race(place, contestant, options);
          const { warmUp, rooms, coolDown } = options;
          const roomsPerSecond = ratePerSecond(instants, warmUp, rooms - coolDown);
          cpu.push(cpuMsPerRoom);
          rate.push(roomsPerSecond);
          say(
            `${pace}, turn ${turn}, ${contestant}: ${cpuMsPerRoom.toFixed(3)} ms of CPU a room, ${roomsPerSecond.toFixed(0)} rooms/s`,
          );
        }
      }
      return Object.fromEntries(
        measured.map(({ contestant, cpu, rate }) => [
          contestant,
          { cpu: median(cpu), rate: median(rate) },
        ]),
      ) as Record<C, { cpu: number; rate: number }>;
    }

    try {
      const paced = await measure(
        '200 a second',
        ['bare loop', 'bare loop, spaced', 'room-reaper'],
        normal,
      );
      const free = await measure('quota lifted', ['bare loop', 'room-reaper'], lifted);
      return [
        { name: 'CPU ms per room at 200/s, bare loop', value: paced['bare loop'].cpu },
        {
          name: 'CPU ms per room at 200/s, bare loop, spaced',
          value: paced['bare loop, spaced'].cpu,
        },
        { name: 'CPU ms per room at 200/s, room-reaper', value: paced['room-reaper'].cpu },
        {
          name: 'CPU per room at 200/s, × bare loop, spaced',
          value: paced['room-reaper'].cpu / paced['bare loop, spaced'].cpu,
          goal: { atMost: 1.3 },
        },
        {
          name: 'CPU per room at 200/s, × bare loop, in bursts',
          value: paced['room-reaper'].cpu / paced['bare loop'].cpu,
          goal: { atMost: 1.3 },
        },
        { name: 'CPU ms per room, quota lifted, bare loop', value: free['bare loop'].cpu },
        { name: 'CPU ms per room, quota lifted, room-reaper', value: free['room-reaper'].cpu },
        {
          name: 'CPU per room, quota lifted, × bare loop',
          value: free['room-reaper'].cpu / free['bare loop'].cpu,
          goal: { atMost: 1.3 },
        },
        { name: 'rooms/s, quota lifted, bare loop', value: free['bare loop'].rate },
        {
          name: 'rooms/s, quota lifted, room-reaper',
          value: free['room-reaper'].rate,
          goal: { atLeast: 600 },
        },
      ];
    } finally {
      await redis.stop();
    }
  },
} satisfies Bench;
