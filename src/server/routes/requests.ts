/** What asks for rooms to be destroyed: one, or a list. */
import { z } from '@hono/zod-openapi';
import type { Precautions } from '../../destruction.js';
import { ReaperError } from '../../errors.js';
import { answerOnce } from '../../operations/answers.js';
import {
  keepList,
  keptListJson,
  previewList,
  withReceivedList,
  type ReceivedList,
} from '../../operations/lists.js';
import { askForRoom } from '../../operations/single-room.js';
import type { CheckedRooms } from '../../operations/rooms.js';
import { createPlaces } from '../places.js';
import { listFormatOf, listFormats, readListBody } from '../read-list.js';
import { readJson } from '../read-request.js';
import { answered, asActor, route, type Asked, type Reply } from '../route.js';
import { createdBefore, expected, flag, note, roomId, seconds, time } from '../schemas.js';

const tooManyTimes = 'delaySeconds and at must not both be given; keep one';

interface Due {
  delaySeconds?: number | undefined;
  at?: number | undefined;
}

/** When it is due, in milliseconds since the epoch; undefined: now. */
function dueOf({ delaySeconds, at }: Due): number | undefined {
  if (at !== undefined && delaySeconds !== undefined)
    throw new ReaperError('INVALID', tooManyTimes);
  return at ?? (delaySeconds === undefined ? undefined : Date.now() + delaySeconds * 1_000);
}

const snapshotMeta = {
  description:
    'read its statistics before it is destroyed, so that they are not lost with an answer',
};

/** What is asked for in either way. */
function precautionsOf(asked: {
  onlyCreatedBefore?: number | undefined;
  snapshot?: boolean | undefined;
}): Precautions {
  return { onlyCreatedBeforeMs: asked.onlyCreatedBefore, snapshot: asked.snapshot };
}

export const destroyRoom = route(
  {
    ...{ method: 'post', path: '/v1/rooms', role: 'producer', takesKey: true },
    summary: 'Asks for one room to be destroyed. It goes before lists.',
    body: z.strictObject({
      roomId,
      urgent: z.boolean().optional(),
      delaySeconds: z.number().min(0).optional(),
      at: time.optional(),
      onlyCreatedBefore: createdBefore.optional(),
      snapshot: z.boolean().optional().meta(snapshotMeta),
      note: note.optional(),
    }),
    answers: {
      202: {
        means: 'it is asked for',
        schema: z.object({
          destructionId: z.string(),
          state: z.enum(['added', 'pending', 'brought_forward']),
        }),
      },
    },
  },
  async (asked) => {
    const { body, context, principal, key } = asked;
    const notBeforeMs = dueOf(body);
    const payload = ['POST /v1/rooms', body];
    const request = { token: principal.name, key, payload, dueMs: notBeforeMs };
    const lane = body.urgent === true ? 'urgent' : 'normal';
    const wish = { lane, notBeforeMs, roomId: body.roomId, note: body.note } as const;
    const precautions = precautionsOf(body);
    const service = asActor(asked);
    return answered(
      await answerOnce(service, request, (id) =>
        askForRoom(
          service,
          { ...wish, id, precautions, by: principal.name },
          context.protection.rooms,
        ),
      ),
    );
  },
);

const listQuery = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  note: note.optional(),
  urgent: flag.optional(),
  delaySeconds: seconds.optional(),
  at: time.optional(),
  onlyCreatedBefore: createdBefore.optional(),
  snapshot: flag.optional().meta(snapshotMeta),
  skipInvalid: flag.optional(),
  skipProtected: flag.optional(),
  expect: expected.optional(),
  dryRun: flag.optional(),
});

type ListQuery = z.output<typeof listQuery>;

/** Largest list in one JSON object, in bytes: it is kept in memory. */
const largestJsonList = 4 * 1024 ** 2;

const jsonList = z.strictObject({ rooms: z.array(z.string()) });

const takePlace = createPlaces(4, 'uploads');

export const destroyList = route(
  {
    ...{ method: 'post', path: '/v1/batches', role: 'producer', takesKey: true },
    summary:
      'Asks for a list of rooms to be destroyed. 202 means that it is safe; its rooms are put on the queue in the background. Above 1,000 rooms `expect` must tell how many.',
    query: listQuery,
    streams: {
      json: jsonList,
      types: Object.keys(listFormats),
    },
    answers: {
      200: { means: 'of a dry run: counts, and how long it takes', schema: z.looseObject({}) },
      202: {
        means: 'the list is safe; `Location` has its batch',
        schema: z.looseObject({ batchId: z.string(), name: z.string(), unique: z.int() }),
      },
    },
  },
  async (asked) => {
    dueOf(asked.query);
    const free = takePlace();
    try {
      return await withReceivedList(await receive(asked), (checked) => keep(asked, checked));
    } finally {
      free();
    }
  },
);

async function receive(asked: Asked<unknown, ListQuery, unknown>): Promise<ReceivedList> {
  const { query, incoming, context } = asked;
  const { skipInvalid, skipProtected, expect, dryRun: isPreview = false } = query;
  const isJson = /^application\/json\b/i.test(incoming.headers['content-type'] ?? '');
  const from = isJson
    ? (await readJson(incoming, jsonList, context.limits, largestJsonList)).rooms
    : {
        format: listFormatOf(incoming),
        source: readListBody(incoming, context.limits, context.closing),
      };
  return { from, expect, isPreview, skipInvalid, skipProtected, protection: context.protection };
}

async function keep(
  asked: Asked<unknown, ListQuery, unknown>,
  rooms: CheckedRooms,
): Promise<Reply> {
  const { context, principal, query, key } = asked;
  const { name, note: why, urgent, dryRun } = query;
  const lane = urgent === true ? 'urgent' : 'bulk';
  const place = { lane, notBeforeMs: dueOf(query), precautions: precautionsOf(query) } as const;
  const service = asActor(asked);
  if (dryRun === true) return { json: await previewList(service, rooms, place) };
  const payload = ['POST /v1/batches', query, rooms.fingerprint, rooms.counts];
  const request = { token: principal.name, key, payload, dueMs: place.notBeforeMs };
  const label = { name, by: principal.name, note: why, token: principal.name };
  const answer = await answerOnce(service, request, async (id) =>
    keptListJson(await keepList(service, { ...label, ...place, rooms, id }), rooms),
  );
  context.keeper.wake();
  const { batchId } = JSON.parse(answer.body) as { batchId: string };
  return answered(answer, { Location: `${context.basePath}/v1/batches/${batchId}` });
}
