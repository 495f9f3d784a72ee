/** What went wrong, whether the quota was kept, and whether everything is well. */
import { z } from '@hono/zod-openapi';
import { audit, auditJson } from '../../operations/audit.js';
import { failuresJson, readFailures } from '../../operations/failures.js';
import { findBatch } from '../../operations/find-batch.js';
import { historyJson, readHistory } from '../../operations/history.js';
import { ledgerNowMs } from '../../operations/service.js';
import { ReaperError } from '../../errors.js';
import { route } from '../route.js';
import { batch, time } from '../schemas.js';

const timeOrBatch = z
  .strictObject({ batch: batch.optional(), from: time.optional(), to: time.optional() })
  .meta({ description: 'of a batch, or of a time' });

export const errors = route(
  {
    ...{ method: 'get', path: '/v1/errors', role: 'viewer' },
    summary: 'What kept rooms from being destroyed, by code: what it means and what to do.',
    query: timeOrBatch,
    answers: {
      200: {
        means: 'those of rooms that are not gone since',
        schema: z.object({
          errors: z.array(
            z.object({
              outcome: z.string(),
              errorCode: z.int().nullable(),
              errorInfo: z.string().nullable(),
              meaning: z.string().nullable(),
              remedy: z.string().nullable(),
              rooms: z.int(),
              example: z.string(),
              pending: z.boolean().meta({ description: 'asked for again, and under way' }),
              wouldFailAgain: z.boolean(),
            }),
          ),
        }),
      },
    },
  },
  async ({ context: { service }, query }) => {
    const batchId = query.batch && (await findBatch(service, query.batch)).id;
    const wish = { batchId, endedFromMs: query.from, endedToMs: query.to };
    return { json: failuresJson(await readFailures(service, wish)) };
  },
);

/** What is told where no time is asked for, in milliseconds. */
const lastHourMs = 3_600_000;

export const auditRoute = route(
  {
    ...{ method: 'get', path: '/v1/audit', role: 'viewer' },
    summary: 'Whether the quota was kept, from the recorded requests. Default: the last hour.',
    query: timeOrBatch,
    answers: {
      200: {
        means: 'as `room-reaper audit --json`',
        schema: z.looseObject({ kept: z.boolean(), worstWindow: z.int() }),
      },
    },
  },
  async ({ context: { service }, query: { batch: named, from, to } }) => {
    if (named !== undefined && (from ?? to) !== undefined)
      throw new ReaperError('INVALID', 'batch and from, to must not both be given; keep one');
    const end = to ?? (await ledgerNowMs(service));
    const asked =
      named === undefined
        ? { fromMs: from ?? end - lastHourMs, toMs: to }
        : { batchId: (await findBatch(service, named)).id };
    return { json: auditJson(await audit(service, asked)) };
  },
);

export const history = route(
  {
    ...{ method: 'get', path: '/v1/history', role: 'viewer' },
    summary: 'Minute by minute what was sent and how it ended. Default: the last hour.',
    query: z.strictObject({ from: time.optional(), to: time.optional() }),
    answers: {
      200: {
        means: 'minutes that have ended, in order; one without a request may be left out',
        schema: z.object({
          countedUntil: z.string().nullable(),
          minutes: z.array(
            z.object({
              at: z.string(),
              requests: z.int(),
              worstWindow: z.int(),
              verdicts: z.record(z.string(), z.int()),
              outcomes: z.record(z.string(), z.int()),
              codes: z.record(z.string(), z.int()).meta({
                description: 'answers that were errors; `none`: there was no answer',
              }),
            }),
          ),
          halts: z.array(
            z.object({
              state: z.enum(['stopped', 'outage', 'paused']),
              from: z.string(),
              to: z.string().nullable().meta({ description: 'null: it lasts' }),
              reason: z.string().nullable(),
            }),
          ),
        }),
      },
    },
  },
  async ({ context: { service }, query }) => {
    const toMs = query.to ?? (await ledgerNowMs(service));
    const fromMs = query.from ?? toMs - lastHourMs;
    return { json: historyJson(await readHistory(service, { fromMs, toMs })) };
  },
);

export const doctor = route(
  {
    ...{ method: 'get', path: '/v1/doctor', role: 'operator' },
    summary: 'Checks everything, at most once a minute. It changes nothing.',
    answers: {
      200: {
        means: 'as `room-reaper doctor --json`',
        schema: z.looseObject({ problems: z.int(), warnings: z.int() }),
      },
    },
  },
  async ({ context }) => ({ text: (await context.doctor()).json }),
);
