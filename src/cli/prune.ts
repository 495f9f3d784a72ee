/** `room-reaper prune`: delete from the ledger what ended long ago. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { invalid } from '../errors.js';
import { prune, pruneJson, type Pruned, type PruneResult } from '../operations/prune.js';
import { ledgerNowMs, type Service } from '../operations/service.js';
import { count, numbered } from '../text.js';
import { confirmNumber } from './confirm.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, print, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { readDuration } from '../when.js';
import { withService } from './with-service.js';

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
    .option('--older-than <TIME>', 'what ended at least this long ago: 90d')
    .option('--dry-run', 'say what would be deleted; delete nothing')
    .option('--yes', 'do not ask')
    .option('--force', 'also less long ago than is safe')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: PruneFlags) => {
      const config = readConfig(io.env, { app: true, credentials: false });
      if (flags.olderThan === undefined) {
        throw invalid(
          '--older-than must be given, such as 90d; add --dry-run to see what it would delete',
        );
      }
      const olderThanMs = readDuration('--older-than', flags.olderThan);
      io.exitCode = await withService(
        config,
        io,
        (service) => runPrune(service, olderThanMs, flags, io),
        { readOnly: flags.dryRun === true, mustBeMade: true },
      );
    });
}

/** @returns the exit code. */
async function runPrune(
  service: Service,
  olderThanMs: number,
  flags: PruneFlags,
  io: Io,
): Promise<number> {
  const interrupt = onInterrupt(io);
  const { signal } = interrupt;
  const interrupted = () => signal.aborted;
  try {
    const options = {
      beforeMs: (await ledgerNowMs(service)) - olderThanMs,
      force: flags.force ?? false,
      signal,
    };
    const found = await prune(service, { ...options, dryRun: true });
    if (interrupted()) return exitCodes.interrupted;
    if (flags.dryRun || isNothing(found)) {
      show({ ...found, dryRun: flags.dryRun ?? false }, flags, io);
      return exitCodes.ok;
    }
    await askConsent(found, flags, io);
    const line = createProgressLine(io);
    const onProgress = (pruned: Readonly<Pruned>) =>
      line.update(`${count(pruned.destructions)} / ${count(found.destructions)} destructions`);
    const pruned = await prune(service, { ...options, dryRun: false, onProgress }).finally(() =>
      line.end(),
    );
    show(pruned, flags, io);
    if (interrupted()) say(io, 'interrupted: run the same command again to go on');
    return interrupted() ? exitCodes.interrupted : exitCodes.ok;
  } finally {
    interrupt.dispose();
  }
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
  const parts = [numbered(destructions, 'destruction'), numbered(attempts, 'attempt')];
  return `${parts.join(', ')} and ${numbered(batches, 'batch', 'batches')}`;
}

function show(pruned: PruneResult, flags: PruneFlags, io: Io): void {
  const before = new Date(pruned.beforeMs).toISOString();
  if (flags.json) print(io, JSON.stringify(pruneJson(pruned)));
  else if (isNothing(pruned)) {
    print(io, `nothing ended before ${before}, or all of it belongs to batches that stay`);
  } else {
    const what = pruned.dryRun ? 'would delete' : 'deleted';
    print(io, `${what} ${describe(pruned)} that ended before ${before}`);
  }
}
