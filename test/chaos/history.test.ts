/**
 * The history check: workers, a producer and an agent of trouble, all from one seed; then
 * the API's own record is compared with the ledger (docs/guarantees.md). Run it with
 * `npm run test:chaos`; scripts/chaos.mjs has the options.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { gatherFacts, type Facts } from './facts.js';
import { invariants, type InvariantName } from './invariants.js';
import { writeReport, writeTimeline } from './report.js';
import { runChaos } from './run.js';

const number = (name: string, fallback: number) => Number(process.env[name] ?? fallback);

const seed = number('CHAOS_SEED', Math.floor(Math.random() * 1_000_000));
const minutes = number('CHAOS_MINUTES', 0.4);
const rooms = number('CHAOS_ROOMS', 2_000);
const workers = number('CHAOS_WORKERS', 3);
const keepIn = process.env.CHAOS_KEEP;
const command = `npm run test:chaos -- --seed ${seed} --minutes ${minutes} --rooms ${rooms} --workers ${workers}`;

/** A room that failed three times runs again after at most 40 s, one of a dead worker after 25 s. */
const drainMs = 180_000;

describe('after any run of trouble', () => {
  let facts: Facts;

  beforeAll(
    async () => {
      const say = (line: string) => void process.stderr.write(`chaos: ${line}\n`);
      say(command);
      const faultsMs = minutes * 60_000;
      const history = await runChaos({ seed, rooms, faultsMs, workers, drainMs, say });
      facts = gatherFacts(history);
      const report = writeReport(facts, command);
      process.stderr.write(`\n${report}\n\n`);
      if (keepIn === undefined) return;
      mkdirSync(keepIn, { recursive: true });
      const { texts, ...rest } = history;
      writeFileSync(join(keepIn, 'history.json'), JSON.stringify(rest, undefined, 1));
      writeFileSync(join(keepIn, 'report.txt'), `${report}\n\n${writeTimeline(facts)}\n`);
      for (const [index, { name, text }] of texts.entries())
        writeFileSync(join(keepIn, `${index} ${name}.txt`), text);
    },
    minutes * 60_000 + 2 * drainMs + 120_000,
  );

  function holds(name: InvariantName): void {
    test(name, () => {
      const broken = invariants[name](facts);
      expect(broken.slice(0, 20), `${broken.length} in all; again: ${command}`).toEqual([]);
    });
  }

  holds('each accepted request has exactly one outcome');
  holds('each request is answered: taken, or refused and asked again');
  holds('each destruction holds the statistics of the room that it ended, to the digit');
  holds('statistics are said to be from where they came');
  holds('no life of a room counts twice');
  holds('no row carries the statistics of another room');
  holds('no room is called gone that the server still has');
  holds('already_gone is said only of rooms that never existed or had been destroyed before');
  holds('where the ledger lacks the statistics of a destroyed room it says that they are lost');
  holds('statistics are called lost only where an attempt may have acted');
  holds('statistics are lost only to a fault that the answer met');
  holds('no statistics are lost where an event told them, or a snapshot is kept');
  holds('the sums of a batch are those of its rooms, and say where they are from');
  holds('nothing is sent for a room that was created after the time that was asked for');
  holds('a room that was created again lives, unless somebody asked for that one');
  holds('a room whose outcome is committed is not asked for again');
  holds('in any sliding second at most 200 requests arrive');
  holds('every command keeps a quota of its own at the door');
  holds('every request at the server is an attempt in the ledger');
  holds('every attempt that was sent has arrived, or its connection met a fault');
  holds('nothing is sent after its deadline');
  holds('a room is not gone only where it was refused, expired or was created again');
  holds('no job is left on the queue, and its failed set is what the ledger calls not gone');
  holds('the counters of a batch are its rows, and it is finished');
  holds('no worker ends by itself, and one that is told to stop exits with 0');
  holds('a worker that is told to stop exits within 15 s');
  holds('every request keeps the rules of the documentation');
  holds('no secret is in any output, on the queue or in the ledger');
});
