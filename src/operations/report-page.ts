/** A report as one page to print and to send: what is rendered is the dashboard's (src/dashboard/report.tsx). */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Config } from '../config.js';
import { isGone } from '../destruction.js';
import type { ReportRow } from '../ledger/report-rows.js';
import { compiledFile } from '../own-file.js';
import { printable } from '../redact.js';
import { historyJson } from './history.js';
import { fields, spanOf, summaryJson, type RowFormat } from './report.js';

/** Most rooms that are listed: more is nothing to read on paper, and other formats have all. */
const mostRooms = 5_000;

interface Renderer {
  renderReport: (data: object, style: string) => string;
}

/** @returns a format of its own for each report: it keeps the rooms that it lists. */
export function reportPage({ rateLimitPerSecond }: Pick<Config, 'rateLimitPerSecond'>): RowFormat {
  const rooms: object[] = [];
  let more = 0;
  return {
    head: () => '',
    row(row) {
      if (isWell(row)) return '';
      if (rooms.length < mostRooms) rooms.push(valuesOf(row));
      else more += 1;
      return '';
    },
    tail(report) {
      const { history = { minutes: [], countedUntilMs: undefined, halts: [] } } = report;
      const own = { app: report.app, quota: rateLimitPerSecond, span: spanOf(report), rooms, more };
      return render({ ...own, history: historyJson(history), summary: summaryJson(report) });
    },
    digestsItself: false,
    tellsHistory: true,
  };
}

function isWell({ outcome }: ReportRow): boolean {
  return outcome !== undefined && isGone(outcome) && outcome !== 'destroyed_statistics_lost';
}

/** As a report in JSON has them. */
function valuesOf(row: ReportRow): object {
  return Object.fromEntries(
    fields.map(([, key, read]) => {
      const value = read(row) ?? null;
      return [key, typeof value === 'string' ? printable(value, value.length) : value] as const;
    }),
  );
}

function render(data: object): string {
  const load = createRequire(compiledFile('dashboard/report.cjs', import.meta.url));
  const { renderReport } = load('./report.cjs') as Renderer;
  return renderReport(
    data,
    readFileSync(compiledFile('dashboard/report.css', import.meta.url), 'utf8'),
  );
}
