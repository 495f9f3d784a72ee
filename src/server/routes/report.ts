/** The whole report of a batch, streamed as it is read: its memory does not grow. */
import { z } from '@hono/zod-openapi';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBatch, type BatchProgress } from '../../operations/find-batch.js';
import { csv, json, ndjson, reportName, writeReport } from '../../operations/report.js';
import { reportPage } from '../../operations/report-page.js';
import { streamed } from '../answer.js';
import type { ServerContext } from '../context.js';
import { createPlaces } from '../places.js';
import { ownOnly, route } from '../route.js';
import { batchPath } from '../schemas.js';

const types = {
  csv: 'text/csv; charset=utf-8',
  ndjson: 'application/x-ndjson',
  json: 'application/json; charset=utf-8',
  html: 'text/html; charset=utf-8',
} as const;

type Format = keyof typeof types;

const takePlace = createPlaces(4, 'downloads');

/**
 * After each page a report rests as long as that took, at most so long in milliseconds: Postgres
 * and this machine's cores are the workers' too.
 */
const longestPauseMs = 50;

export const report = route(
  {
    ...{ method: 'get', path: '/v1/batches/{id}/report', role: 'viewer', producersOwn: true },
    summary: 'What became of every room of a batch, as `room-reaper report` writes it.',
    parameters: batchPath,
    query: z.strictObject({ format: z.enum(['csv', 'ndjson', 'json', 'html']).default('json') }),
    answers: {
      200: {
        means: 'the report; one that is cut off has no last chunk',
        types: ['application/json', 'text/csv', 'application/x-ndjson', 'text/html'],
      },
    },
  },
  async ({ context, principal, path, query: { format }, request }) => {
    const batch = await findBatch(context.service, path.id);
    ownOnly({ principal }, batch.token === principal.name);
    const name = reportName(context.service.config, batch, format);
    const headers = {
      'Content-Type': types[format],
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    };
    if (request.method === 'HEAD') return new Response(null, { headers });
    const free = takePlace();
    return streamed(write(context, batch, format, free, request.signal), headers);
  },
);

async function* write(
  { service, closing }: ServerContext,
  batch: BatchProgress,
  format: Format,
  free: () => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const encoder = new TextEncoder();
  const { config } = service;
  const rows = { csv, ndjson, json: json(false), html: reportPage(config) }[format];
  try {
    const left = AbortSignal.any([closing, signal]);
    // A table has no place for them.
    const options = { signal: left, withoutRates: format === 'csv' || format === 'ndjson' };
    const pages = writeReport(service, batch, rows, options);
    let askedAt = performance.now();
    let page = await pages.next();
    while (page.done !== true) {
      const tookMs = performance.now() - askedAt;
      yield encoder.encode(page.value);
      await sleep(Math.min(tookMs, longestPauseMs), undefined, { signal: left }).catch(() => 0);
      askedAt = performance.now();
      page = await pages.next();
    }
    // What is not whole must not look whole.
    if (page.value === undefined) throw new Error('the report was broken off');
    yield encoder.encode(rows.tail(page.value));
  } finally {
    free();
  }
}
