/**
 * The promise at the door: 1, 4 and 16 worker processes on one Redis and one Postgres, against
 * a server that counts what arrives, in a process of its own. Worst sliding 1,000 ms, the share
 * of the quota used between first and last arrival, slots given up, and the time from the start
 * of the processes until the last room has arrived. Beside it BullMQ's own limiter
 * `{max: 200, duration: 1000}` with four bare workers (support/bare-worker.ts).
 *
 * `--plot` draws docs/arrivals.svg: both, four processes, arrivals per 100 ms.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Figure } from './bench.js';
import { createOwnDatabase, ownRedis } from './servers.js';
import { histogram, ratePerSecond } from './support/arrivals.js';
import { race, type RaceOptions, type RaceResult } from './support/contestants.js';
import { plotAsSvg } from './support/plot.js';

const quota = 200;
const binMs = 100;
const plotSpanMs = 6_000;

export default {
  title: 'arrivals at the API with 1, 4 and 16 worker processes',
  async run({ short, plotFolder, servers, program, say }) {
    const counts = short ? [1, 4] : [1, 4, 16];
    const base: Omit<RaceOptions, 'processes'> = {
      rooms: short ? 500 : 12_000,
      latencyMs: 50,
      concurrency: 100,
      quota,
      warmUp: 200,
      coolDown: 100,
    };
    const redis = await ownRedis(servers);
    const place = {
      program,
      queueUrl: redis.url,
      openLedger: () => createOwnDatabase(servers),
    };
    try {
      const figures: Figure[] = [];
      let ours: RaceResult | undefined;
      for (const processes of counts) {
        const result = await race(place, 'room-reaper', { ...base, processes });
        if (processes === 4) ours = result;
        say(`${processes} processes: worst window ${result.worstWindow}`);
        figures.push(...figuresOf(result, processes, base.rooms));
      }
      const bullmq = await race(place, 'bare loop', { ...base, processes: 4 });
      say(`BullMQ's own limiter: worst window ${bullmq.worstWindow}`);
      figures.push(
        { name: "worst window, BullMQ's own limiter, 4 processes", value: bullmq.worstWindow },
        {
          name: "quota used, BullMQ's own limiter, 4 processes",
          value: ratePerSecond(bullmq.instants) / quota,
        },
      );
      if (plotFolder !== undefined && ours !== undefined) {
        const file = join(plotFolder, 'arrivals.svg');
        writeFileSync(file, draw(bullmq, ours));
        say(`drawn: ${file}`);
      }
      return figures;
    } finally {
      await redis.stop();
    }
  },
} satisfies Bench;

function figuresOf(result: RaceResult, processes: number, rooms: number): Figure[] {
  const of = `, ${processes} ${processes === 1 ? 'process' : 'processes'}`;
  return [
    {
      name: `worst window by the ${result.worstBy}'s clock${of}`,
      value: result.worstWindow,
      goal: { atMost: quota },
    },
    {
      name: `quota used${of}`,
      value: ratePerSecond(result.instants) / quota,
      goal: { atLeast: 0.97 },
    },
    { name: `slots given up, share of those granted${of}`, value: result.givenUp / result.granted },
    {
      name: `time for ${rooms} rooms, start included, × N / ${quota} s${of}`,
      value: result.seconds / (rooms / quota),
      goal: { atMost: 1.06 },
    },
  ];
}

function draw(bullmq: RaceResult, ours: RaceResult): string {
  const panel = (title: string, result: RaceResult, colour: string) => ({
    title: `${title}: at most ${result.worstWindow} in a sliding second`,
    colour,
    bins: histogram(result.instants, { fromMs: startOfPlot(result), spanMs: plotSpanMs, binMs }),
  });
  return plotAsSvg({
    title: `Four workers, a quota of ${quota} requests a second`,
    binMs,
    even: (quota * binMs) / 1_000,
    panels: [
      panel(`BullMQ's limiter {max: ${quota}, duration: 1000}`, bullmq, '#c96a2b'),
      panel('room-reaper', ours, '#2f6db5'),
    ],
  });
}

/** Past the start, where processes still join, as long as that leaves enough to show. */
function startOfPlot({ instants }: RaceResult): number {
  const first = instants[0] ?? 0;
  const last = instants.at(-1) ?? 0;
  return Math.max(first, Math.min(first + 5_000, last - plotSpanMs - 1_000));
}
