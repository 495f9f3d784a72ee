/** `room-reaper batches`: which batches there are, and how each stands. */
import { Command } from 'commander';
import { goneAndNot } from '../destruction.js';
import { batchesJson, listBatches, readLimit, type BatchPage } from '../operations/batches.js';
import type { BatchProgress } from '../operations/find-batch.js';
import { ledgerNowMs } from '../operations/service.js';
import { count, rooms } from '../text.js';
import { readDuration } from '../when.js';
import { print, type Io } from './io.js';
import { show } from './screen.js';
import { batchEnds, batchHead } from './summary-text.js';
import { withOwnService } from './with-service.js';

interface BatchesFlags {
  by?: string;
  since?: string;
  unfinished?: boolean;
  limit: string;
  cursor?: string;
  json?: boolean;
}

const help = `
Examples:
  room-reaper batches
  room-reaper batches new-year
  room-reaper batches --unfinished --by ada
  room-reaper batches --since 2d --limit 100 --json | jq -r '.batches[].id'

The exit code is 0, also where there is none.`;

export function batchesCommand(io: Io): Command {
  return new Command('batches')
    .argument('[NAME]', 'only those that have this in their name, or begin their id with it')
    .option('--by <NAME>', 'only those that this one asked for')
    .option('--since <TIME>', 'only those asked for in the last 90s, 30m, 2h, 1d')
    .option('--unfinished', 'only those that have not ended')
    .option('--limit <N>', 'most that are shown, up to 500', '20')
    .option('--cursor <CURSOR>', 'go on after a page, with what it ends with')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (like: string | undefined, flags: BatchesFlags) => {
      const { since, by, unfinished, cursor } = flags;
      const limit = readLimit(flags.limit);
      const sinceMs = since === undefined ? undefined : readDuration('--since', since);
      await withOwnService(
        io,
        async (service) => {
          const createdFromMs =
            sinceMs === undefined ? undefined : (await ledgerNowMs(service)) - sinceMs;
          const wish = { like, by, unfinished, createdFromMs, limit, cursor };
          const page = await listBatches(service, wish);
          const isAll = [like, by, since, unfinished, cursor].every((each) => each === undefined);
          if (flags.json) print(io, JSON.stringify(batchesJson(page)));
          else show(io, toText(page, isAll));
        },
        { readOnly: true },
      );
    });
}

function toText({ batches, next }: BatchPage, isAll: boolean): string {
  if (batches.length === 0) return isAll ? 'there is no batch yet' : 'there is no such batch';
  const more = next === undefined ? [] : ['', `there are older ones: --cursor ${next}`];
  return [...batches.flatMap(describeBatch), ...more].join('\n');
}

function describeBatch(batch: BatchProgress): string[] {
  const { gone, notGone } = goneAndNot(batch);
  const open = Math.max(0, batch.total - gone - notGone);
  const counts = [
    `${count(gone)} gone`,
    ...(notGone > 0 ? [`${count(notGone)} not gone`] : []),
    ...(open > 0 ? [`${count(open)} open`] : []),
    ...batchEnds(batch),
  ];
  return [...batchHead(batch), `  ${rooms(batch.total)}: ${counts.join(', ')}`];
}
