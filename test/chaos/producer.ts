/** The producer of a run: adds rooms while the workers work, and asks again until it is told that they are on the queue. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openProducer, ReaperError, type Producer } from '../../src/producer/index.js';
import { epochNow } from '../support/stalls.js';
import type { Accepted } from './history.js';
import { briefHours, kindOf, type Wave } from './rooms.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const askAgainAfterMs = 250;

/** No command of the command line takes longer than this, in milliseconds, whatever is away. */
const commandLimitMs = 90_000;

export interface ProducerRun {
  accepted: Accepted[];
  /** Requests that were neither taken nor refused. */
  unanswered: string[];
  batchesAccepted: string[];
  /** What the command line printed. */
  outputs: string[];
}

export interface ProducerOptions {
  waves: readonly Wave[];
  sdkAppId: number;
  /** The variables of the command line; QUEUE_URL is also the library's. */
  env: Record<string, string>;
}

export function newProducerRun(): ProducerRun {
  return { accepted: [], unanswered: [], batchesAccepted: [], outputs: [] };
}

/** Resolves when every wave is on the queue; `run` holds what was so far. */
export async function produce(
  { waves, sdkAppId, env }: ProducerOptions,
  run: ProducerRun,
): Promise<void> {
  const open = (deadlineHours: number) =>
    untilTaken(() => openProducer({ queueUrl: env['QUEUE_URL'] ?? '', sdkAppId, deadlineHours }));
  const producers: Producer[] = [await open(24), await open(briefHours)];
  const [usual, brief] = producers;
  if (usual === undefined || brief === undefined) throw new Error('no producer');
  const producerFor = (roomId: string) => (kindOf(roomId) === 'brief' ? brief : usual);
  const note = (roomId: string, destructionId?: string) =>
    run.accepted.push({ roomId, destructionId, atMs: epochNow() });

  async function put(wave: Wave): Promise<void> {
    if (wave.how === 'batch') {
      await enqueueBatch(wave, env, run);
      run.batchesAccepted.push(wave.name);
      for (const roomId of wave.rooms) note(roomId);
      return;
    }
    const { how, urgent, delayMs } = wave;
    if (how === 'one by one') {
      for (const roomId of wave.rooms) {
        const added = await untilTaken(() =>
          producerFor(roomId).destroy(roomId, { urgent, delayMs }),
        );
        note(roomId, added.destructionId);
      }
      return;
    }
    for (const producer of producers) {
      const rooms = wave.rooms.filter((roomId) => producerFor(roomId) === producer);
      if (rooms.length === 0) continue;
      await untilTaken(() => producer.destroyMany(rooms, { urgent, delayMs }));
      for (const roomId of rooms) note(roomId);
    }
  }

  const startedAt = performance.now();
  const waiting = waves.map(async (wave) => {
    await sleep(Math.max(0, wave.atMs - (performance.now() - startedAt)));
    const open = `a wave of ${wave.rooms.length} at ${wave.atMs} ms`;
    run.unanswered.push(open);
    await put(wave);
    run.unanswered.splice(run.unanswered.indexOf(open), 1);
  });
  try {
    await Promise.all(waiting);
  } finally {
    await Promise.all(producers.map((producer) => producer.close()));
  }
}

async function untilTaken<R>(ask: () => Promise<R>): Promise<R> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ReaperError) || error.code !== 'UNAVAILABLE') throw error;
      await sleep(askAgainAfterMs);
    }
  }
}

/** Runs `enqueue` until it succeeds: the same list under the same name is the same batch. */
async function enqueueBatch(
  wave: Extract<Wave, { how: 'batch' }>,
  env: Record<string, string>,
  run: ProducerRun,
): Promise<void> {
  for (;;) {
    let output = '';
    const child = spawn(process.execPath, [main, 'enqueue', '-', '--batch', wave.name, '--yes'], {
      env: { PATH: process.env.PATH, ...env },
      timeout: commandLimitMs,
      killSignal: 'SIGKILL',
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.stdin.on('error', () => undefined);
    child.stdin.end(wave.rooms.map((roomId) => `${roomId}\n`).join(''));
    const [code] = (await once(child, 'close')) as [number | null];
    run.outputs.push(output);
    if (code === 0) return;
    if (code === null) run.unanswered.push(`enqueue of ${wave.name}`);
    await sleep(askAgainAfterMs);
  }
}
