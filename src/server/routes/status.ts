/** How the service stands. */
import { z } from '@hono/zod-openapi';
import { answerSeen } from '../answer.js';
import { route } from '../route.js';

export const status = route(
  {
    ...{ method: 'get', path: '/v1/status', role: 'viewer' },
    summary: 'The line, its rate, what waits and how long it takes, workers and batches.',
    answers: {
      200: { means: 'as `room-reaper status --json`', schema: z.looseObject({ line: z.string() }) },
      304: { means: 'the same as the ETag in If-None-Match' },
    },
  },
  async ({ context, request }) => answerSeen(await context.status(), request),
);
