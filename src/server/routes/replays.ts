/** Replays: rooms that are not gone are asked for again; what a preview counted, and nothing else. */
import { z } from '@hono/zod-openapi';
import { answerOnce } from '../../operations/answers.js';
import { findBatch } from '../../operations/find-batch.js';
import { replayable } from '../../operations/replay.js';
import { previewPlan, runPlan, type ReplayWish } from '../../operations/replay-plan.js';
import { answered, asActor, route } from '../route.js';
import { batch, flag, note, roomId, time } from '../schemas.js';

export const replays = route(
  {
    ...{ method: 'post', path: '/v1/replays', role: 'operator', takesKey: true },
    summary:
      'Asks again for rooms that are not gone, as a batch of their own. `dryRun=true` tells the `plan`; with it, it runs only while the choice is still that one.',
    query: z.strictObject({ dryRun: flag.optional() }),
    body: z
      .strictObject({
        batch: batch.optional(),
        codes: z
          .array(z.int().nullable())
          .min(1)
          .max(100)
          .optional()
          .meta({ description: 'ErrorCodes; null: rooms without one' }),
        outcomes: z.array(z.enum(replayable)).min(1).optional(),
        from: time.optional(),
        to: time.optional(),
        rooms: z.array(roomId).min(1).max(1_000).optional(),
        force: z.boolean().optional(),
        name: z.string().min(1).max(200).optional(),
        note: note.optional(),
        plan: z.string().max(100).optional(),
      })
      .refine((body) => Object.keys(body).some((key) => chosenBy.includes(key)), {
        error: `must choose by ${['batch', 'codes', 'outcomes', 'from', 'to', 'rooms'].join(', ')}`,
      }),
    answers: {
      200: {
        means: 'of a dry run: what would be asked for, how long it takes, and its `plan`',
        schema: z.looseObject({ plan: z.string(), rooms: z.int() }),
      },
      202: {
        means: 'it is asked for; its rooms are put on the queue',
        schema: z.looseObject({ batchId: z.string().nullable() }),
      },
    },
  },
  async (asked) => {
    const { context, principal, body, query, key } = asked;
    const service = asActor(asked);
    const { batch: named, codes, outcomes, from, to, rooms, force, plan, name, note: why } = body;
    const batchId = named && (await findBatch(service, named)).id;
    const wish: ReplayWish = {
      ...{ batchId, codes, outcomes, endedFromMs: from, endedToMs: to, roomIds: rooms },
      ...{ force: force ?? false, protectedRooms: context.protection.rooms },
      ...{ name, note: why, by: principal.name, token: principal.name },
    };
    if (query.dryRun === true) return { json: await previewPlan(service, wish) };
    const request = { token: principal.name, key, payload: ['POST /v1/replays', body] };
    const answer = await answerOnce(service, request, (id) => runPlan(service, wish, id, plan));
    context.keeper.wake();
    return answered(answer);
  },
);

const chosenBy = ['batch', 'codes', 'outcomes', 'from', 'to', 'rooms'];
