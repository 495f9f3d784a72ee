/** `room-reaper report`: what became of every room of a batch. */
import { Command } from 'commander';
import { goneAndNot } from '../destruction.js';
import { invalid } from '../errors.js';
import { readWarnings } from '../operations/destroy.js';
import { readEnds, type ChosenEnds } from '../operations/ends.js';
import { findBatch } from '../operations/find-batch.js';
import {
  csv,
  json,
  ndjson,
  openRooms,
  reportFile,
  writeReport,
  type ReportSummary,
} from '../operations/report.js';
import { tableFormat } from '../operations/report-table.js';
import { reportPage } from '../operations/report-page.js';
import { openReportFile, toStream } from '../operations/report-file.js';
import type { Service } from '../operations/service.js';
import { readOneOf } from '../one-of.js';
import { printable } from '../redact.js';
import { count } from '../text.js';
import { describeWarning } from './destroy-report.js';
import { onInterrupt } from './interrupt.js';
import { collect, exitCodes, say, type Io } from './io.js';
import { createProgressLine } from './progress.js';
import { summaryText } from './report-text.js';
import { widthOf } from './screen.js';
import { sayNewest } from './say-newest.js';
import { withOwnService } from './with-service.js';

/** What each format is written by, with only its sums or with its rooms too. */
const formats = {
  table: (summaryOnly: boolean, width?: number) => tableFormat(summaryText, summaryOnly, width),
  ...{ json, csv: () => csv, ndjson: () => ndjson },
  html: (_summaryOnly: boolean, _width: number | undefined, { config }: Service) =>
    reportPage(config),
};

type ReportFormat = keyof typeof formats;

interface ReportFlags {
  format?: string;
  json?: boolean;
  output?: string;
  force?: boolean;
  summary?: boolean;
  outcome?: string[];
  code?: string[];
}

const help = `
Examples:
  room-reaper report new-year
  room-reaper report new-year --summary
  room-reaper report new-year --outcome failed,expired --format csv
  room-reaper report new-year --format csv --output new-year.csv
  room-reaper report new-year --format csv --output .
  room-reaper report new-year --format html --output new-year.html     a page to print and send
  room-reaper report 01a2073e-32c4-70d0-899f-5e9c7571380b --format ndjson | jq -r .roomId

Every room that was asked for is in it once, those that still wait too. Of csv and ndjson
the SHA-256 on stderr is that of the output (sha256sum); of table, json and html it is that
of the rooms as ndjson. --output writes it to FILE.sha256 too, for sha256sum --check. Where
--output is a directory, the file is named for the app, the region and the batch.

In CSV a text that begins with = + - @ or a tab has an apostrophe before it, so that no
spreadsheet runs it, and control characters are escaped; ndjson has every text as it is.

With --outcome or --code it is of these rooms alone, and says so: its sums, its SHA-256 and
its exit code too.

Exit codes: 0 every room is gone; 1 some room is not, or not yet.`;

export function reportCommand(io: Io): Command {
  return new Command('report')
    .argument('<BATCH>', 'id or name of the batch; of several with one name the newest')
    .option('--format <FORMAT>', 'table, json, csv, ndjson or html (default: table)')
    .option('--json', 'the same as --format json: one JSON object on stdout')
    .option('--output <FILE>', 'write to a file instead; in a directory it is named by itself')
    .option('--force', 'replace the file where there is one')
    .option('--outcome <OUTCOME>', 'only what ended so, or open; again, or a list', collect)
    .option('--code <CODE>', 'only what ended with this ErrorCode; again, or a list', collect)
    .option('--summary', 'only the sums, without the rooms (table and json)')
    .addHelpText('after', help)
    .action(async (batch: string, flags: ReportFlags) => {
      const format = readFormat(flags);
      const only = readEnds({ outcome: '--outcome', code: '--code' }, flags);
      io.exitCode = await withOwnService(
        io,
        (service) => runReport(service, batch, format, { ...flags, only }, io),
        { readOnly: true },
      );
    });
}

/** @returns the exit code. */
async function runReport(
  service: Service,
  idOrName: string,
  format: ReportFormat,
  flags: ReportFlags & { only: ChosenEnds | undefined },
  io: Io,
): Promise<number> {
  const { force = false, summary: summaryOnly = false, only } = flags;
  const batch = await findBatch(service, idOrName, sayNewest(io));
  const file = reportFile(flags.output, service.config, batch, format, only);
  const names = { output: '--output', force: '--force' };
  const output =
    file === undefined ? toStream(io.stdout) : await openReportFile(names, file, force);
  const interrupt = onInterrupt(io);
  const line = createProgressLine(io);
  // On a terminal the rooms themselves are the progress, unless they go elsewhere.
  const shows = file !== undefined || summaryOnly || io.stdout.isTTY !== true;
  try {
    const rowFormat = formats[format](
      summaryOnly,
      file === undefined ? widthOf(io) : undefined,
      service,
    );
    const pages = writeReport(service, batch, rowFormat, {
      ...{ summaryOnly, only },
      signal: interrupt.signal,
      onNotListed: (reason) =>
        say(io, `the rooms that wait cannot be listed: ${printable(reason)}`),
      onProgress(read) {
        if (shows) line.update(`${count(read)} / ${count(batch.total)} rooms`);
      },
    });
    let page = await pages.next();
    for (; page.done !== true; page = await pages.next()) await output.write(page.value);
    line.end();
    const report = page.value;
    if (report === undefined) {
      say(io, 'interrupted: the report is not whole');
      return exitCodes.interrupted;
    }
    await output.write(rowFormat.tail(report));
    await output.finish();
    if (format === 'csv' || format === 'ndjson') say(io, summaryText(report));
    // What a part would warn of may not be true of the whole.
    const warnings = only === undefined && (await readWarnings(service, batch.id, report.summary));
    for (const warning of warnings || []) say(io, describeWarning(warning, report.summary.rooms));
    return exitCode(report);
  } finally {
    line.end();
    interrupt.dispose();
    await output.close();
  }
}

function exitCode(report: ReportSummary): number {
  const { notGone } = goneAndNot(report.summary.outcomes);
  return notGone + openRooms(report) > 0 ? exitCodes.notGone : exitCodes.ok;
}

function readFormat(flags: ReportFlags): ReportFormat {
  const text = flags.format ?? (flags.json ? 'json' : 'table');
  const format = readOneOf('--format', Object.keys(formats) as ReportFormat[], text);
  if (flags.json && format !== 'json') {
    throw invalid(`--json and --format ${format} must not both be given; keep one`);
  }
  if (flags.summary && !['table', 'json'].includes(format)) {
    throw invalid(
      `--summary must go with the format table or json, got ${format}; leave out one of them`,
    );
  }
  return format;
}
