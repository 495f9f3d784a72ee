/** `room-reaper prune`: delete from the ledger what ended long ago. */
import { Command } from 'commander';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { finishBatches } from '../ledger/batches.js';
import { prune, readCutoff, type Pruned, type PruneOptions } from '../ledger/prune.js';
import { confirmNumber } from './confirm.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { count } from '../text.js';
import { readDuration } from './when.js';
import { withLedger } from './with-stores.js';

interface PruneFlags {
  olderThan?: string;
  dryRun?: boolean;
  yes?: boolean;
  force?: boolean;
  json?: boolean;
}

const help = `
Examples:
  room-reaper prune --older-than 90d --dry-run
  room-reaper prune --older-than 90d
  room-reaper prune --older-than 400d --yes --json

Deleted are destructions that ended before then, with their attempts, and batches that
finished before then. What is open stays, and everything of a batch that stays. Workers may
run meanwhile; interrupted, it can simply be run again.`;

export function pruneCommand(io: Io): Command {
  return new Command('prune')
    .description('delete from the ledger what ended long ago')
    .option('--older-than <TIME>', 'what ended at least this long ago: 90d')
    .option('--dry-run', 'say what would be deleted; delete nothing')
    .option('--yes', 'do not ask')
    .option('--force', 'also less long ago than is safe')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: PruneFlags) => {
      const config = readConfig(io.env, { app: true, credentials: false });
      const olderThanMs = readAge(flags, config);
      io.exitCode = await withLedger(config, io, async ({ database }) => {
        await finishBatches(database, config.sdkAppId);
        const interrupt = onInterrupt();
        const interrupted = () => interrupt.signal.aborted;
        try {
          const options = {
            sdkAppId: config.sdkAppId,
            beforeUs: await readCutoff(database, olderThanMs),
            force: flags.force ?? false,
            signal: interrupt.signal,
          };
          const found = await prune(database, { ...options, dryRun: true });
          if (interrupted()) return exitCodes.interrupted;
          if (flags.dryRun || isNothing(found)) {
            show(found, options, flags, io);
            return exitCodes.ok;
          }
          await askConsent(found, flags, io);
          const line = createProgressLine(io);
          const onProgress = (pruned: Readonly<Pruned>) =>
            line.update(
              `${count(pruned.destructions)} / ${count(found.destructions)} destructions`,
            );
          const pruned = await prune(database, { ...options, dryRun: false, onProgress }).finally(
            () => line.end(),
          );
          show(pruned, options, flags, io);
          if (interrupted()) say(io, 'interrupted: run the same command again to go on');
          return interrupted() ? exitCodes.interrupted : exitCodes.ok;
        } finally {
          interrupt.dispose();
        }
      });
    });
}

const dayMs = 86_400_000;

/**
 * A job that failed stays in BullMQ's failed set for `FAILED_JOBS_DAYS`, and a retry there must
 * find how it ended; one that was not taken off the queue by a worker that died is sent again
 * until its deadline, unless the ledger knows better. So the ledger remembers longer than both.
 */
function leastDays(config: Config): number {
  return Math.max(config.failedJobsDays, Math.ceil(config.deadlineHours / 24)) + 1;
}

function readAge(flags: PruneFlags, config: Config): number {
  if (flags.olderThan === undefined) {
    throw new ReaperError(
      'INVALID',
      '--older-than must be given, such as 90d; add --dry-run to see what it would delete',
    );
  }
  const olderThanMs = readDuration('--older-than', flags.olderThan);
  const least = leastDays(config);
  if (olderThanMs < least * dayMs && !flags.force) {
    throw new ReaperError(
      'INVALID',
      `--older-than must be at least ${least}d, got ${JSON.stringify(flags.olderThan)}: a failed job can be retried from BullMQ's failed set for ` +
        `FAILED_JOBS_DAYS (${config.failedJobsDays}), and is sent again until its deadline (DESTROY_DEADLINE_HOURS, ${config.deadlineHours}) where the ledger does not know its end any more; ` +
        'keep more, or add --force',
    );
  }
  return olderThanMs;
}

function isNothing(pruned: Pruned): boolean {
  return pruned.destructions + pruned.attempts + pruned.batches === 0;
}

function askConsent(found: Pruned, flags: PruneFlags, io: Io): Promise<void> {
  if (flags.yes) return Promise.resolve();
  return confirmNumber(
    found.destructions,
    `delete ${describe(found)} for good?`,
    `${describe(found)} need consent; add --yes to delete them, or --dry-run to see them only`,
    io,
  );
}

function describe({ destructions, attempts, batches }: Pruned): string {
  const of = (number: number, one: string, many: string) =>
    `${count(number)} ${number === 1 ? one : many}`;
  return (
    `${of(destructions, 'destruction', 'destructions')}, ${of(attempts, 'attempt', 'attempts')} ` +
    `and ${of(batches, 'batch', 'batches')}`
  );
}

function show(
  pruned: Pruned,
  { beforeUs }: Pick<PruneOptions, 'beforeUs'>,
  flags: PruneFlags,
  io: Io,
): void {
  const before = new Date(beforeUs / 1000).toISOString();
  const dryRun = flags.dryRun ?? false;
  if (flags.json) {
    const { destructions, attempts, batches } = pruned;
    print(io, JSON.stringify({ dryRun, before, destructions, attempts, batches }));
  } else if (isNothing(pruned)) {
    print(io, `nothing ended before ${before}, or all of it belongs to batches that stay`);
  } else {
    print(
      io,
      `${dryRun ? 'would delete' : 'deleted'} ${describe(pruned)} that ended before ${before}`,
    );
  }
}
