/** `room-reaper report`: what became of every room of a batch. */
import { Command } from 'commander';
import { readConfig } from '../config.js';
import { ReaperError } from '../errors.js';
import type { Io } from './io.js';
import { reportFormats, type ReportFormat } from './report-formats.js';
import { runReport } from './report-run.js';
import { withLedger } from './with-stores.js';

interface ReportFlags {
  format?: string;
  json?: boolean;
  output?: string;
  force?: boolean;
  summary?: boolean;
}

const help = `
Examples:
  room-reaper report new-year
  room-reaper report new-year --summary
  room-reaper report new-year --format csv --output new-year.csv
  room-reaper report 01a2073e-32c4-70d0-899f-5e9c7571380b --format ndjson | jq -r .roomId

Every room that was asked for is in it once, those that still wait too. Of csv and ndjson
the SHA-256 on stderr is that of the output (sha256sum); of table and json it is that of the
rooms as ndjson. --output writes it to FILE.sha256 too, for sha256sum --check.

In CSV a text that begins with = + - @ or a tab has an apostrophe before it, so that no
spreadsheet runs it; ndjson has every text as it is.

Exit codes: 0 every room is gone; 1 some room is not, or not yet.`;

export function reportCommand(io: Io): Command {
  return new Command('report')
    .description('what became of every room of a batch')
    .argument('<BATCH>', 'id or name of the batch; of several with one name the newest')
    .option('--format <FORMAT>', 'table, json, csv or ndjson (default: table)')
    .option('--json', 'the same as --format json: one JSON object on stdout')
    .option('--output <FILE>', 'write to a file instead, which appears when it is whole')
    .option('--force', 'replace the file where there is one')
    .option('--summary', 'only the sums, without the rooms (table and json)')
    .addHelpText('after', help)
    .action(async (batch: string, flags: ReportFlags) => {
      const format = readFormat(flags);
      const config = readConfig(io.env, { app: true, credentials: false });
      io.exitCode = await withLedger(config, io, ({ database, stores }) =>
        runReport({
          ...{ config, io, database, stores, batch, format },
          output: flags.output,
          force: flags.force ?? false,
          summaryOnly: flags.summary ?? false,
        }),
      );
    });
}

function readFormat(flags: ReportFlags): ReportFormat {
  const text = flags.format ?? (flags.json ? 'json' : 'table');
  const format = reportFormats.find((each) => each === text);
  if (format === undefined) {
    throw new ReaperError(
      'INVALID',
      `--format must be table, json, csv or ndjson, got ${JSON.stringify(text)}`,
    );
  }
  if (flags.json && format !== 'json') {
    throw new ReaperError(
      'INVALID',
      `--json and --format ${format} must not both be given; keep one`,
    );
  }
  if (flags.summary && (format === 'csv' || format === 'ndjson')) {
    throw new ReaperError(
      'INVALID',
      `--summary must go with the format table or json, got ${format}; leave out one of them`,
    );
  }
  return format;
}
