/** The action log: whatever changes something is written down with who did it, and how it ended. */
import { userInfo } from 'node:os';
import { ReaperError } from '../errors.js';
import {
  addAction,
  endAction,
  isAskedBy,
  readActions,
  type Action,
  type NewAction,
} from '../ledger/actions.js';
import { isoTime } from '../text.js';
import type { Service } from './service.js';

export type { Action };

/** The part of a service that writing down takes. */
export type RecordingService = Pick<Service, 'database' | 'actor'> & {
  config: Pick<Service['config'], 'sdkAppId'>;
};

/** What is done: on what, and why. */
export type Deed = Pick<NewAction, 'what'> & Partial<Pick<NewAction, 'target' | 'reason'>>;

/** What came of it. */
export type Told = Partial<Pick<Action, 'counts' | 'target'>>;

/**
 * Does something that is written down: that it began before it begins, and how it ended.
 *
 * @param by - who asks, where the service does not know; undefined: the user of the machine.
 * @param tell - what the log says of the result.
 */
export async function recorded<R>(
  service: RecordingService,
  by: string | undefined,
  deed: Deed,
  work: () => Promise<R>,
  tell: (result: R) => Told = () => ({}),
): Promise<R> {
  const { database, config, actor = { who: by ?? userOfMachine(), way: 'cli' } } = service;
  const { what, target, reason } = deed;
  const action = { who: actor.who, role: actor.role, way: actor.way, what, target, reason };
  const id = await addAction(database, config.sdkAppId, action);
  let result: R;
  try {
    result = await work();
  } catch (error) {
    const outcome = error instanceof ReaperError ? error.code : 'BUG';
    // It says how it ended to whoever asked in any case.
    await endAction(database, id, { outcome }).catch(() => undefined);
    throw error;
  }
  await endAction(database, id, { outcome: 'done', ...tell(result) });
  return result;
}

/** The name of the OS user who runs the program. */
export function userOfMachine(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Whether a token asked for one of these batches or destructions. */
export function isOwn(
  { database, config }: Pick<Service, 'database' | 'config'>,
  token: string,
  asked: { batches?: readonly string[]; destructions?: readonly string[] },
): Promise<boolean> {
  const { batches = [], destructions = [] } = asked;
  return isAskedBy(database, config.sdkAppId, token, { batches, destructions });
}

export interface ActionsPage {
  actions: Action[];
  /** The id of the last: the next page has those before it. undefined: there is none. */
  before: string | undefined;
}

/** Newest first. */
export async function listActions(
  { database, config }: Pick<Service, 'database' | 'config'>,
  { before, limit }: { before?: string | undefined; limit: number },
): Promise<ActionsPage> {
  const found = await readActions(database, config.sdkAppId, { before, limit: limit + 1 });
  const actions = found.slice(0, limit);
  return { actions, before: found.length > limit ? actions.at(-1)?.id : undefined };
}

/** The shape is a contract. */
export function actionJson({ atMs, id, who, role, way, ...action }: Action): object {
  const { what, target, reason, counts, outcome = null } = action;
  return { id, at: isoTime(atMs), who, role, way, what, target, reason, counts, outcome };
}
