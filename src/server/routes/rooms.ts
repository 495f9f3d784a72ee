/** Rooms, one by one. */
import { z } from '@hono/zod-openapi';
import { explain, explanationJson } from '../../operations/explain.js';
import { route } from '../route.js';
import { roomId } from '../schemas.js';

export const explainRoom = route(
  {
    ...{ method: 'get', path: '/v1/rooms', role: 'viewer' },
    summary: 'Why a room is still alive, or what became of it. It sends nothing.',
    query: z.strictObject({ roomId }),
    answers: {
      200: {
        means: 'as `room-reaper explain --json`; also of a room that was never asked for',
        schema: z.looseObject({ roomId: z.string(), summary: z.string() }),
      },
    },
  },
  async ({ context: { service }, query }) => ({
    text: explanationJson(await explain(service, query.roomId)),
  }),
);
