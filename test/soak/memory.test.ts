/**
 * A worker's memory over many rooms. `npm run test:soak` takes 200,000 (SOAK_ROOMS); with the
 * fault runs a short form of 15,000.
 *
 * The heap is read after a full garbage collection, at each quarter of the rooms, with work
 * in hand. What it holds then that it need not hold for ever are the jobs in hand, up to 100
 * of some 20 kB (request, socket, buffers): 2 MB, twice of which can lie between two
 * readings; the rest of the bound is code that runs late for the first time. A leak of 550
 * bytes a room breaks the bound in the short form, one of 40 bytes in the long one.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { folderWith, run, start } from '../e2e/room-reaper.js';
import { lines, openStage, readDestructions, redisAndPostgres } from '../e2e/stage.js';
import { say } from '../support/say.js';

const rooms = Number(process.env['SOAK_ROOMS'] ?? 15_000);
const mostGrowthMegabytes = 6;

/** At each SIGUSR2 the heap is collected and its size said. */
const heapOnSignal = `
import v8 from 'node:v8';
import vm from 'node:vm';
v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');
let readings = 0;
process.on('SIGUSR2', () => {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  readings += 1;
  process.stderr.write('memory ' + readings + ': ' + (heapUsed + external) + ' ' + rss + '\\n');
});`;

test('a worker’s memory does not grow with the rooms that it has ended', async () => {
  const { server, env } = await openStage({ latencyMs: 5 });
  const stores = await redisAndPostgres();
  const preload = join(folderWith({ 'heap.mjs': heapOnSignal }), 'heap.mjs');
  const options = {
    env: {
      ...env,
      ...stores,
      // The quota lifted: what is measured is memory.
      RATE_LIMIT_PER_SECOND: '5000',
      LOG_LEVEL: 'warn',
      NODE_OPTIONS: `--import ${pathToFileURL(preload).href}`,
    },
  };
  const names = Array.from({ length: rooms }, (_, index) => `soak ${index}`);
  const put = await run(['enqueue', '-', '--yes'], { ...options, stdin: lines(names) });
  expect(put.code, put.stderr).toBe(0);
  const worker = start(['worker'], options);
  for (let quarter = 1; quarter <= 4; quarter++) {
    // The last reading too is taken with work in hand.
    await server.reached(Math.floor((rooms * quarter) / 4) - 50);
    worker.kill('SIGUSR2');
    await worker.said(new RegExp(`memory ${quarter}: `));
  }
  await server.reached(rooms);
  worker.kill('SIGTERM');
  const ended = await worker.ended;

  expect(ended.code, ended.stderr).toBe(0);
  const ends = [...(await readDestructions(stores.DATABASE_URL)).values()];
  expect(ends.filter(({ outcome }) => outcome === 'destroyed')).toHaveLength(rooms);
  const heaps = [...ended.stderr.matchAll(/memory \d+: (\d+) (\d+)/g)].map(
    ([, heap, rss]) => [Number(heap) / 2 ** 20, Number(rss) / 2 ** 20] as const,
  );
  say(
    `memory over ${rooms} rooms, in MB (heap, RSS): ${heaps.map((pair) => pair.map((each) => each.toFixed(1)).join(', ')).join('; ')}`,
  );
  expect(heaps).toHaveLength(4);
  const [first = Number.NaN] = heaps[0] ?? [];
  for (const [heap] of heaps.slice(1)) expect(heap - first).toBeLessThan(mostGrowthMegabytes);
});
