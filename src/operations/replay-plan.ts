/** A replay in two steps: what it would do, and that very thing, or nothing. */
import { ReaperError } from '../errors.js';
import { openReplay, readChoiceMark } from '../ledger/replay.js';
import { recorded } from './actions.js';
import { madeUpName } from './made-up-name.js';
import {
  fingerprintOf,
  previewReplay,
  refuseFutile,
  replayPlanToJson,
  type ReplayRequest,
} from './replay.js';
import type { Service } from './service.js';

export interface ReplayWish extends Omit<ReplayRequest, 'origin'> {
  /** Name of the token that asks. */
  token: string;
}

/** Most rooms and codes that are named in words. */
const most = 5;

/** The choice in words, as it is kept with the batch. */
function originOf({
  batchId,
  codes,
  outcomes,
  endedFromMs,
  endedToMs,
  roomIds,
  force,
}: ReplayWish) {
  const listed = (name: string, values: readonly (string | number)[] = []) =>
    values.length === 0
      ? []
      : [
          `${name} ${values.slice(0, most).join(', ')}`,
          ...(values.length > most ? [`and ${values.length - most} more`] : []),
        ];
  const time = (name: string, ms: number | undefined) =>
    ms === undefined ? [] : [`${name} ${new Date(ms).toISOString()}`];
  return [
    ...listed('batch', batchId === undefined ? [] : [batchId]),
    ...listed(
      'code',
      codes?.map((code) => code ?? 'none'),
    ),
    ...listed('outcome', outcomes),
    ...time('from', endedFromMs),
    ...time('to', endedToMs),
    ...listed('room', roomIds),
    ...(force ? ['force'] : []),
  ].join(' ');
}

/** What it would do now. The shape is a contract: its `plan` tells this very choice from any other. */
export async function previewPlan(service: Service, wish: ReplayWish): Promise<object> {
  const { database, config } = service;
  const plan = await readChoiceMark(database, { ...wish, sdkAppId: config.sdkAppId });
  const preview = await previewReplay(service, { ...wish, origin: originOf(wish) });
  const { plan: groups, ...counts } = replayPlanToJson(preview);
  const doneAt = new Date(preview.forecast.doneAtMs).toISOString();
  return { dryRun: true, plan, ...counts, doneAt, groups };
}

/**
 * Writes the replay down, as a batch of its own whose rooms are put on the queue later.
 *
 * @param id - of its batch; asked for again with the same, it is the same.
 * @param plan - that of a preview: it must still be what would be done. undefined: whatever it is now.
 * @throws ReaperError `CONFLICT` with the new plan where another is true by now, `REFUSED` where
 *   all that was chosen was refused for good.
 */
export async function runPlan(
  service: Service,
  wish: ReplayWish,
  id: string,
  plan: string | undefined,
): Promise<object> {
  const { database, config } = service;
  const request = { ...wish, origin: originOf(wish) };
  const opened = await recorded(
    service,
    wish.by,
    { what: 'replay', target: id, reason: wish.note },
    () =>
      openReplay(
        database,
        { ...wish, sdkAppId: config.sdkAppId },
        {
          ...{ ...request, id, madeUpName: madeUpName(Math.random) },
          ...{ fingerprint: fingerprintOf(request), mark: plan },
          lane: wish.roomIds === undefined ? 'bulk' : 'normal',
        },
      ),
    (batch) => ({ counts: { rooms: batch?.total ?? 0, choice: request.origin } }),
  );
  if (opened !== undefined) {
    const { name, parentId, total } = opened;
    return { batchId: opened.id, name, parentId: parentId ?? null, rooms: total };
  }
  const now = await previewReplay(service, request);
  if (plan !== undefined) await refuseChanged(service, wish, plan);
  refuseFutile(now);
  return { batchId: null, rooms: 0 };
}

async function refuseChanged(service: Service, wish: ReplayWish, plan: string): Promise<void> {
  const preview = (await previewPlan(service, wish)) as { plan: string };
  if (preview.plan === plan) return;
  throw new ReaperError(
    'CONFLICT',
    'plan must be that of the rooms which would be replayed now; they have changed since it was made. Nothing was asked for: look at the new plan, and ask with it',
    { facts: preview as unknown as Record<string, unknown> },
  );
}
