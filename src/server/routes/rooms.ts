/** Rooms, one by one. */
import { z } from '@hono/zod-openapi';
import { isOwn } from '../../operations/actions.js';
import { explain, explanationJson, type Explanation } from '../../operations/explain.js';
import { ownOnly, route } from '../route.js';
import { roomId } from '../schemas.js';

export const explainRoom = route(
  {
    ...{ method: 'get', path: '/v1/rooms', role: 'viewer', producersOwn: true },
    summary: 'Why a room is still alive, or what became of it. It sends nothing.',
    query: z.strictObject({ roomId }),
    answers: {
      200: {
        means: 'as `room-reaper explain --json`; also of a room that was never asked for',
        schema: z.looseObject({ roomId: z.string(), summary: z.string() }),
      },
    },
  },
  async ({ context: { service }, principal, query }) => {
    const explanation = await explain(service, query.roomId);
    if (principal.role === 'producer') {
      const asked = askedFor(explanation);
      ownOnly({ principal }, await isOwn(service, principal.name, asked));
    }
    return { text: explanationJson(explanation) };
  },
);

/** The destructions that an explanation is about, and their batches. */
function askedFor({ pending, history }: Explanation) {
  const batches = history.destructions.map(({ batch }) => batch?.id);
  return {
    destructions: [...history.destructions.map(({ id }) => id), ...(pending ? [pending.id] : [])],
    batches: [...batches, pending?.destruction?.batchId].filter((id) => id !== undefined),
  };
}
