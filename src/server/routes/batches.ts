/** Batches: how they stand, their rooms, their reports. */
import { z } from '@hono/zod-openapi';
import { setTimeout as sleep } from 'node:timers/promises';
import { batchesJson, listBatches } from '../../operations/batches.js';
import { findBatch } from '../../operations/find-batch.js';
import { readRoomsPage } from '../../operations/report-rows.js';
import { rowJson } from '../../operations/report.js';
import { batchStatus } from '../../operations/status.js';
import type { Principal } from '../../operations/tokens.js';
import { answerSeen } from '../answer.js';
import type { ServerContext } from '../context.js';
import { ownOnly, route, type Reply } from '../route.js';
import {
  batchPath,
  code,
  cursor,
  cursorOf,
  flag,
  limit,
  outcome,
  place,
  time,
} from '../schemas.js';
import { seenAs, type Seen } from '../snapshot.js';

const batchSchema = z.looseObject({
  id: z.string(),
  name: z.string().optional(),
  state: z.enum(['enqueuing', 'waiting', 'running', 'finished', 'cancelled']),
  total: z.int(),
  finished: z.int(),
  outcomes: z.record(z.string(), z.int()),
});

export const batches = route(
  {
    ...{ method: 'get', path: '/v1/batches', role: 'viewer', producersOwn: true },
    summary: 'The batches that were asked for, newest first.',
    query: z.strictObject({
      name: z.string().min(1).max(200).optional().meta({ description: 'in the name' }),
      by: z.string().min(1).max(200).optional().meta({ description: 'who asked' }),
      parent: z.string().min(1).max(200).optional().meta({ description: 'id of what it replays' }),
      from: time.optional().meta({ description: 'asked for then or later' }),
      unfinished: flag.optional(),
      limit,
      cursor: cursor.optional(),
    }),
    answers: {
      200: {
        means: 'a page of them',
        schema: z.object({ batches: z.array(batchSchema), next: z.string().nullable() }),
      },
    },
  },
  async ({ context: { service }, principal, query }) => {
    const { name: like, parent: parentId, from: createdFromMs, ...wish } = query;
    const token = principal.role === 'producer' ? principal.name : undefined;
    return {
      json: batchesJson(
        await listBatches(service, { ...wish, like, parentId, createdFromMs, token }),
      ),
    };
  },
);

export const batch = route(
  {
    ...{ method: 'get', path: '/v1/batches/{id}', role: 'viewer', producersOwn: true },
    summary:
      'How a batch stands. With `Prefer: wait=30` once it has ended, or is another than `If-None-Match`; at the latest after so many seconds.',
    parameters: batchPath,
    answers: {
      200: { means: 'the batch', schema: batchSchema },
      204: { means: 'the server is about to end: ask again' },
      304: { means: 'the same as the ETag in If-None-Match' },
    },
  },
  async ({ context, principal, path, request }) => {
    const waitSeconds = readWait(request);
    const look = () => readBatch(context, principal, path.id);
    if (waitSeconds === 0) return answerSeen((await look()).seen, request);
    return waitForChange(context, request, waitSeconds, look);
  },
);

/** Longest wait, in seconds: proxies give up after a minute. */
const longestWaitSeconds = 50;

/** `Prefer: wait=30`, RFC 7240. @returns seconds; 0: not at all. */
function readWait(request: Request): number {
  const seconds = /(?:^|[,;\s])wait=(\d{1,6})\b/i.exec(request.headers.get('Prefer') ?? '')?.[1];
  return Math.min(Number(seconds ?? 0), longestWaitSeconds);
}

async function readBatch({ service }: ServerContext, principal: Principal, id: string) {
  const found = await findBatch(service, id);
  ownOnly({ principal }, found.token === principal.name);
  const batch = batchStatus(found);
  const hasEnded = batch.finishedAt !== undefined;
  return { seen: seenAs(JSON.stringify(batch)), hasEnded };
}

/** Between two looks, in milliseconds. */
const lookEveryMs = 1_000;

async function waitForChange(
  { closing }: ServerContext,
  request: Request,
  seconds: number,
  look: () => Promise<{ seen: Seen; hasEnded: boolean }>,
): Promise<Reply> {
  const until = performance.now() + seconds * 1_000;
  const isKnown = (seen: Seen) => answerSeen(seen, request).status === 304;
  const isCompared = request.headers.has('If-None-Match');
  const left = AbortSignal.any([closing, request.signal]);
  for (;;) {
    const { seen, hasEnded } = await look();
    const isOver = performance.now() + lookEveryMs > until;
    if (isOver || (isCompared ? !isKnown(seen) : hasEnded)) return answerSeen(seen, request);
    await sleep(lookEveryMs, undefined, { signal: left }).catch(() => undefined);
    if (left.aborted) return { status: 204 };
  }
}

export const batchRooms = route(
  {
    ...{ method: 'get', path: '/v1/batches/{id}/rooms', role: 'viewer', producersOwn: true },
    summary:
      'Rooms of a batch that a worker has taken up, in the order of their RoomIds. A page may have fewer than `limit`: while there is `next`, there are more.',
    parameters: batchPath,
    query: z.strictObject({
      outcome: outcome.optional(),
      code: code.optional(),
      limit,
      cursor: place.optional(),
    }),
    answers: {
      200: {
        means: 'a page of them, as in a report',
        schema: z.object({
          rooms: z.array(z.looseObject({ roomId: z.string() })),
          next: z.string().nullable(),
        }),
      },
    },
  },
  async ({ context: { service }, principal, path, query: { cursor: after, ...wish } }) => {
    const { id, token } = await findBatch(service, path.id);
    ownOnly({ principal }, token === principal.name);
    const page = await readRoomsPage(service, id, { ...wish, after });
    const next = page.after === undefined ? 'null' : JSON.stringify(cursorOf(page.after));
    return { text: `{"rooms":[${page.rooms.map(rowJson).join(',')}],"next":${next}}` };
  },
);
