/** What operators do: hold, let go, take back, and who did what. */
import { z } from '@hono/zod-openapi';
import { actionJson, listActions } from '../../operations/actions.js';
import { cancel, cancelJson, previewCancel, type CancelReport } from '../../operations/cancel.js';
import { ReaperError } from '../../errors.js';
import { pause, pauseJson, readLimitLeft, resume, resumedJson } from '../../operations/pause.js';
import { asActor, route } from '../route.js';
import { batchPath, cursorOf, limit, note, place, roomId } from '../schemas.js';

const why = z.strictObject({ reason: note });

export const pauseQueue = route(
  {
    ...{ method: 'post', path: '/v1/pause', role: 'operator' },
    summary: 'Lets no worker take up another room, until resume.',
    body: why,
    answers: {
      200: {
        means: 'whose pause it is; one that was there already stays',
        schema: z.looseObject({ isNew: z.boolean() }),
      },
    },
  },
  async (asked) => {
    const who = { by: asked.principal.name, note: asked.body.reason };
    const { mark, isNew } = await pause(asActor(asked), who);
    return { json: { isNew, ...pauseJson(mark) } };
  },
);

export const resumeQueue = route(
  {
    ...{ method: 'post', path: '/v1/resume', role: 'operator' },
    summary: 'Ends a pause, and starts a line again that was stopped and its cause mended.',
    body: why,
    answers: { 200: { means: 'what had held it', schema: z.looseObject({}) } },
  },
  async (asked) => {
    const service = asActor(asked);
    const who = { by: asked.principal.name, note: asked.body.reason };
    const resumed = resumedJson(await resume(service, who));
    return { json: { ...resumed, stillHeldBy: (await readLimitLeft(service)) ?? null } };
  },
);

/** @throws ReaperError where the server is about to end: what is left is recorded by asking again. */
function whole(report: CancelReport | undefined): object {
  if (report !== undefined) return cancelJson(report);
  throw new ReaperError(
    'UNAVAILABLE',
    'the server is about to end; nothing of it is sent any more, ask again to have the rest recorded',
    { remedy: 'run_again' },
  );
}

export const cancelRooms = route(
  {
    ...{ method: 'post', path: '/v1/rooms/cancel', role: 'operator' },
    summary: 'Takes back rooms that were not sent yet.',
    body: z.strictObject({ roomIds: z.array(roomId).min(1).max(1_000), reason: note.optional() }),
    answers: { 200: { means: 'as `room-reaper cancel --json`', schema: z.looseObject({}) } },
  },
  async (asked) => {
    const { context, principal, body } = asked;
    const wish = { rooms: body.roomIds, by: principal.name, reason: body.reason };
    return { json: whole(await cancel(asActor(asked), wish, { signal: context.closing })) };
  },
);

export const cancelBatch = route(
  {
    ...{ method: 'post', path: '/v1/batches/{id}/cancel', role: 'operator' },
    summary: 'Takes back what of a batch was not sent yet. `dryRun` says what it has.',
    parameters: batchPath,
    body: z.strictObject({ dryRun: z.boolean().optional(), reason: note.optional() }),
    answers: { 200: { means: 'as `room-reaper cancel --json`', schema: z.looseObject({}) } },
  },
  async (asked) => {
    const { context, principal, path, body } = asked;
    const service = asActor(asked);
    if (body.dryRun === true) return { json: await previewCancel(service, path.id) };
    const wish = { batches: [path.id], by: principal.name, reason: body.reason };
    return { json: whole(await cancel(service, wish, { signal: context.closing })) };
  },
);

export const actions = route(
  {
    ...{ method: 'get', path: '/v1/actions', role: 'operator' },
    summary: 'Who did what, by which way, why, and how it ended; newest first.',
    query: z.strictObject({ limit, cursor: place.optional() }),
    answers: {
      200: {
        means: 'a page of them',
        schema: z.object({
          actions: z.array(z.looseObject({ id: z.string(), who: z.string(), what: z.string() })),
          next: z.string().nullable(),
        }),
      },
    },
  },
  async ({ context: { service }, query: { limit: most, cursor: before } }) => {
    if (before !== undefined && !/^\d{1,18}$/.test(before))
      throw new ReaperError('INVALID', 'cursor must be `next` of a page of actions');
    const page = await listActions(service, { before, limit: most });
    const next = page.before === undefined ? null : cursorOf(page.before);
    return { json: { actions: page.actions.map(actionJson), next } };
  },
);
