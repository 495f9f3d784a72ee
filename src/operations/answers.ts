/**
 * Requests that are told from others by a key of their client: asked again, also after a restart and
 * after what it asked for has ended, such a request does nothing and gets its first answer. Without
 * that, whoever asks again because no answer came would destroy a room that was made again meanwhile.
 */
import { createHash } from 'node:crypto';
import { type ErrorCode, ReaperError } from '../errors.js';
import {
  claimAnswer,
  forgetAnswer,
  releaseAnswer,
  writeAnswer,
  type AnswerKey,
} from '../ledger/answers.js';
import { newId } from '../queue/destruction-id.js';
import type { Service } from './service.js';

export interface FirstAnswer {
  status: number;
  /** JSON. */
  body: string;
  /** Whether it is that of an earlier request. */
  isReplayed: boolean;
}

export interface KeyedRequest {
  /** Name of the token. */
  token: string;
  /** undefined: it is told from none, and done. */
  key: string | undefined;
  /** All that it asks for: another request has another. */
  payload: unknown;
  /** When what it asks for is due at the latest, in milliseconds since the epoch; default: now. */
  dueMs?: number | undefined;
}

/** A first answer is kept for as long as what was asked for may be under way, and at least so long. */
const leastKeptSeconds = 24 * 3_600;

/** What a store that answers too late, or is full by then, may have taken all the same. */
const inDoubt: readonly ErrorCode[] = ['UNAVAILABLE', 'NO_SPACE'];

/** Between that and the end of the longest request, in seconds. */
const slackSeconds = 3_600;

/**
 * @param work - does it, with an id for what it makes: done again after it was broken off, the same.
 * @returns the answer, with 202.
 * @throws ReaperError `INVALID` where the key was given to another request, `CONFLICT` where the one
 *   with this key is under way; else what `work` throws.
 */
export async function answerOnce(
  { database, config }: Pick<Service, 'database' | 'config'>,
  { token, key, payload, dueMs = Date.now() }: KeyedRequest,
  work: (id: string) => Promise<object>,
): Promise<FirstAnswer> {
  const done = async (id: string) => ({ status: 202, body: JSON.stringify(await work(id)) });
  if (key === undefined) return { ...(await done(newId())), isReplayed: false };
  const place: AnswerKey = { sdkAppId: config.sdkAppId, token, key };
  const openSeconds = (dueMs - Date.now()) / 1_000 + config.deadlineHours * 3_600 + slackSeconds;
  const claim = await claimAnswer(database, place, {
    fingerprint: createHash('sha256').update(JSON.stringify(payload)).digest('hex'),
    ...{ subject: newId(), keepSeconds: Math.max(leastKeptSeconds, openSeconds) },
  });
  switch (claim.kind) {
    case 'answered':
      return { status: claim.status, body: claim.body, isReplayed: true };
    case 'other':
      throw new ReaperError(
        'INVALID',
        'Idempotency-Key must be new for another request, got that of one before; take a new one',
      );
    case 'under_way':
      throw new ReaperError(
        'CONFLICT',
        'a request with this Idempotency-Key is under way; ask again in a moment',
      );
    case 'mine': {
      const answer = await done(claim.subject).catch(async (error: unknown) => {
        const isRefused = error instanceof ReaperError && !inDoubt.includes(error.code);
        await (isRefused ? forgetAnswer : releaseAnswer)(database, place).catch(() => undefined);
        throw error;
      });
      await writeAnswer(database, place, answer);
      return { ...answer, isReplayed: false };
    }
    default:
      return claim satisfies never;
  }
}
