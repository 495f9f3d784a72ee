/** The producer of a run: adds rooms while the workers work, and asks again until it is told that they are on the queue. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openProducer, ReaperError, type Producer } from '../../src/producer/index.js';
import { epochNow } from '../support/stalls.js';
import type { Accepted } from './history.js';
import { briefHours, isGuarded, kindOf, type Wave } from './rooms.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const askAgainAfterMs = 250;

/** No command of the command line takes longer than this, in milliseconds, whatever is away. */
const commandLimitMs = 90_000;

export interface ProducerRun {
  accepted: Accepted[];
  /** Requests that were neither taken nor refused. */
  unanswered: string[];
  batchesAccepted: string[];
  /** Rooms of which only one that was created by then is meant, in milliseconds since the epoch. */
  guards: Map<string, number>;
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
  return { accepted: [], unanswered: [], batchesAccepted: [], guards: new Map(), outputs: [] };
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
  /** The first time that it was asked for stays: also later only that room is meant. */
  function guardOf(roomId: string) {
    if (!isGuarded(roomId)) return {};
    const guardMs = run.guards.get(roomId) ?? Math.floor(epochNow());
    run.guards.set(roomId, guardMs);
    return { onlyCreatedBefore: new Date(guardMs) };
  }

  async function put(wave: Wave): Promise<void> {
    if (wave.how === 'replay') {
      return replayRest(wave.name, env, run);
    }
    if (wave.how === 'batch') {
      const guardMs = Math.floor(epochNow());
      for (const roomId of wave.rooms) run.guards.set(roomId, guardMs);
      const args = ['enqueue', '-', '--batch', wave.name, '--yes'];
      args.push('--only-created-before', new Date(guardMs).toISOString());
      if (wave.snapshot) args.push('--snapshot');
      await untilDone(args, wave.rooms.map((roomId) => `${roomId}\n`).join(''), env, run);
      run.batchesAccepted.push(wave.name);
      for (const roomId of wave.rooms) note(roomId);
      return;
    }
    const { urgent, delayMs } = wave;
    if (wave.how === 'one by one') {
      for (const roomId of wave.rooms) {
        const options = { urgent, delayMs, ...guardOf(roomId) };
        const added = await untilTaken(() => producerFor(roomId).destroy(roomId, options));
        note(roomId, added.destructionId);
      }
      return;
    }
    for (const producer of producers) {
      for (const guarded of [false, true]) {
        const rooms = wave.rooms.filter(
          (roomId) => producerFor(roomId) === producer && isGuarded(roomId) === guarded,
        );
        const [first] = rooms;
        if (first === undefined) continue;
        const { onlyCreatedBefore } = guardOf(first);
        const guard = onlyCreatedBefore === undefined ? {} : { onlyCreatedBefore };
        for (const roomId of rooms) if (guarded) run.guards.set(roomId, Number(onlyCreatedBefore));
        const options = { urgent, delayMs, snapshot: wave.snapshot, ...guard };
        await untilTaken(() => producer.destroyMany(rooms, options));
        for (const roomId of rooms) note(roomId);
      }
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

/** Asks again for what is not gone. */
export function replayRest(
  name: string,
  env: Record<string, string>,
  run: ProducerRun,
): Promise<void> {
  const args = ['replay', '--outcome', 'expired,failed,rejected', '--force', '--yes'];
  return untilDone([...args, '--name', name], '', env, run);
}

/** Runs a command until it succeeds: asked again, `enqueue` and `replay` go on with what they began. */
async function untilDone(
  args: readonly string[],
  input: string,
  env: Record<string, string>,
  run: ProducerRun,
): Promise<void> {
  for (;;) {
    let output = '';
    const child = spawn(process.execPath, [main, ...args], {
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
    child.stdin.end(input);
    const [code] = (await once(child, 'close')) as [number | null];
    run.outputs.push(output);
    if (code === 0) return;
    if (code === null) run.unanswered.push(args.join(' '));
    await sleep(askAgainAfterMs);
  }
}

/** Asks for rooms that were created again: those that are there now are meant. */
export function askForNewRooms(
  { sdkAppId, env }: Pick<ProducerOptions, 'sdkAppId' | 'env'>,
  run: ProducerRun,
) {
  let opening: Promise<Producer> | undefined;
  return {
    async ask(roomId: string): Promise<void> {
      const producer = await (opening ??= untilTaken(() =>
        openProducer({ queueUrl: env['QUEUE_URL'] ?? '', sdkAppId }),
      ));
      // The API tells whole seconds.
      const onlyCreatedBefore = new Date();
      run.guards.set(roomId, onlyCreatedBefore.getTime());
      const { destructionId } = await untilTaken(() =>
        producer.destroy(roomId, { onlyCreatedBefore }),
      );
      run.accepted.push({ roomId, destructionId, atMs: epochNow() });
    },
    async close(): Promise<void> {
      await (await opening)?.close();
    },
  };
}
