/** Which rooms are live, sent as the API's list is read. */
import { z } from '@hono/zod-openapi';
import { listRooms, liveRows, type ListWish } from '../../operations/live-rooms-text.js';
import { streamed } from '../answer.js';
import type { ServerContext } from '../context.js';
import { createPlaces } from '../places.js';
import { route } from '../route.js';
import { batch, flag, time, views } from '../schemas.js';

const types = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  lines: 'text/plain; charset=utf-8',
} as const;

/** They share the ten pages a second of the app. */
const takePlace = createPlaces(2, 'lists of live rooms');

const text = z.string().min(1).max(200);

export const liveRooms = route(
  {
    ...{ method: 'get', path: '/v1/live-rooms', role: 'viewer' },
    summary:
      'Which public rooms are live, or which of a batch live on; the server needs the key of the app for it.',
    query: z
      .strictObject({
        createdBefore: time.optional(),
        createdAfter: time.optional(),
        owner: text.optional(),
        match: text.meta({ description: 'a RoomId; * stands for anything' }).optional(),
        minViews: views.optional(),
        survivors: batch
          .meta({
            description: 'id or name of a batch: only its rooms, with what is known of each',
          })
          .optional(),
        format: z.enum(['ndjson', 'csv', 'lines']).default('ndjson'),
        progress: flag
          .meta({
            description:
              'after each page a line with `progress`, at the end one with `end` (ndjson only)',
          })
          .optional(),
      })
      .refine(({ format, progress }) => progress !== true || format === 'ndjson', {
        path: ['progress'],
        error: 'must not be given with another format than ndjson',
      }),
    answers: {
      200: {
        means: 'the rooms, as they are found; what is cut off has no last chunk',
        types: Object.values(types).map((type) => type.replace(/;.*/, '')),
      },
    },
  },
  async ({
    context,
    query: { createdBefore, createdAfter, format, progress, ...rest },
    request,
  }) => {
    const headers = { 'Content-Type': types[format] };
    if (request.method === 'HEAD') return new Response(null, { headers });
    const wish = { ...rest, createdBeforeMs: createdBefore, createdAfterMs: createdAfter };
    const shown = { format, progress: progress === true };
    return streamed(write(context, wish, shown, takePlace(), request.signal), headers);
  },
);

async function* write(
  { service, closing }: ServerContext,
  wish: ListWish,
  { format, progress }: { format: keyof typeof types; progress: boolean },
  free: () => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const encoder = new TextEncoder();
  const rows = liveRows(format, wish.survivors !== undefined);
  const told = (line: object) => (progress ? `${JSON.stringify(line)}\n` : '');
  let head = rows.head;
  let found = 0;
  try {
    const pages = listRooms(service, wish, AbortSignal.any([closing, signal]));
    let page = await pages.next();
    for (; page.done !== true; page = await pages.next()) {
      const { rooms, pass, pages: read, seen } = page.value;
      found += rooms.length;
      const lines = rooms.map((room) => rows.row(room)).join('');
      yield encoder.encode(head + lines + told({ progress: { pass, pages: read, seen } }));
      head = '';
    }
    yield encoder.encode(told({ end: { ...page.value, found } }));
  } finally {
    free();
  }
}
