/**
 * One run of `report`. The rooms are read once, page by page, and written, counted and
 * hashed as they come, so that its memory does not grow with them and its sums are those of
 * the rows that it wrote.
 */
import { stringify } from 'lossless-json';
import { createHash } from 'node:crypto';
import { finishBatches, type BatchProgress } from '../ledger/batches.js';
import { isGone, outcomes } from '../destruction.js';
import type { ReportRow } from '../ledger/report-rows.js';
import { addRates } from '../ledger/report.js';
import { createTally, type TallyCounter } from '../ledger/tally.js';
import { printable } from '../redact.js';
import { findBatch, sayNewest } from './find-batch.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, say } from './io.js';
import { createProgressLine } from './progress.js';
import {
  csvHeader,
  openRooms,
  summaryObject,
  tableHeader,
  toCsv,
  toNdjson,
  toTableLine,
  type ReportFormat,
  type ReportSummary,
} from './report-formats.js';
import { openReportOutput, type ReportOutput } from './report-output.js';
import { reportedRooms, type RoomSource } from './report-source.js';
import { summaryText } from './report-text.js';
import { count } from '../text.js';

export interface ReportRun extends RoomSource {
  /** Id or name. */
  batch: string;
  format: ReportFormat;
  output: string | undefined;
  force: boolean;
  summaryOnly: boolean;
}

/** @returns the exit code. */
export async function runReport(run: ReportRun): Promise<number> {
  const { config, database, io } = run;
  await finishBatches(database, config.sdkAppId);
  const batch = await findBatch(database, config.sdkAppId, run.batch, 'BATCH', sayNewest(io));
  const output = await openReportOutput(run.output, run.force, io);
  const interrupt = onInterrupt();
  try {
    const report = await writeReport(run, batch, output, interrupt.signal);
    if (report === undefined) {
      say(io, 'interrupted: the report is not whole');
      return exitCodes.interrupted;
    }
    return exitCode(report);
  } finally {
    interrupt.dispose();
    await output.close();
  }
}

/** @returns undefined where it was interrupted. */
async function writeReport(
  run: ReportRun,
  batch: BatchProgress,
  output: ReportOutput,
  signal: AbortSignal,
): Promise<ReportSummary | undefined> {
  const { database, format, io } = run;
  const tally = createTally();
  const writer = createRowWriter(run, output);
  const line = createProgressLine(io);
  // On a terminal the rooms themselves are the progress, unless they go elsewhere.
  const shows = run.output !== undefined || run.summaryOnly || io.stdout.isTTY !== true;
  let written = 0;
  try {
    for await (const page of reportedRooms(run, batch)) {
      if (signal.aborted) return undefined;
      await writer.write(page, tally);
      written += page.length;
      if (shows) line.update(`${count(written)} / ${count(batch.total)} rooms`);
    }
    if (written === 0) await writer.write([], tally);
  } finally {
    line.end();
  }
  const summary = await addRates(database, batch.id, tally.result());
  const report: ReportSummary = {
    batchId: batch.id,
    name: batch.name,
    total: batch.total,
    createdAtMs: batch.createdAtMs,
    finishedAtMs: batch.finishedAtMs,
    summary,
    unlisted: Math.max(0, batch.total - summary.rooms),
    sha256: writer.sha256(),
  };
  if (signal.aborted) return undefined;
  if (format === 'json') {
    await output.write(
      `${run.summaryOnly ? '{' : '\n],\n'}"summary":${stringify(summaryObject(report)) ?? ''}}\n`,
    );
  } else if (format === 'table') {
    await output.write(`${run.summaryOnly ? '' : '\n'}${summaryText(report)}\n`);
  }
  await output.finish();
  if (format === 'csv' || format === 'ndjson') say(io, summaryText(report));
  return report;
}

interface RowWriter {
  /** Writes a page, which may be empty, and counts it. */
  write(page: readonly ReportRow[], tally: TallyCounter): Promise<void>;
  /** Of csv and ndjson as written, else of the rooms as ndjson. */
  sha256(): string;
}

function createRowWriter(
  { format, summaryOnly }: Pick<ReportRun, 'format' | 'summaryOnly'>,
  output: ReportOutput,
): RowWriter {
  const hash = createHash('sha256');
  let started = false;
  let written = 0;
  let roomWidth = 0;

  function head(page: readonly ReportRow[]): string {
    roomWidth = Math.max(4, ...page.map((row) => printable(row.roomId).length));
    return { csv: csvHeader, ndjson: '', json: '{"rooms":[\n', table: tableHeader(roomWidth) }[
      format
    ];
  }
  return {
    async write(page, tally) {
      let text = started || summaryOnly ? '' : head(page);
      started = true;
      for (const row of page) {
        tally.add(row);
        if (format === 'csv') text += toCsv(row);
        else {
          const line = toNdjson(row);
          hash.update(`${line}\n`);
          if (format === 'ndjson') text += `${line}\n`;
          else if (format === 'json') text += `${written > 0 ? ',\n' : ''}${line}`;
          else text += toTableLine(row, roomWidth);
        }
        written += 1;
      }
      if (!summaryOnly && text !== '') await output.write(text);
    },
    sha256: () => (format === 'csv' ? output.sha256() : hash.copy().digest('hex')),
  };
}

function exitCode(report: ReportSummary): number {
  const { summary } = report;
  const notGone = outcomes.some((outcome) => !isGone(outcome) && summary.outcomes[outcome] > 0);
  return notGone || openRooms(report) > 0 ? exitCodes.notGone : exitCodes.ok;
}
