/** What the API tells by itself. */
import { z } from '@hono/zod-openapi';
import { ReaperError } from '../../errors.js';
import { isSigned, readCallback, roomEnded } from '../../operations/webhook.js';
import { unauthenticated, type Caller } from '../guard.js';
import { HttpProblem } from '../problem.js';
import { readText } from '../read-request.js';
import { route } from '../route.js';
import type { ServerContext } from '../context.js';

/** As the API expects it of whoever it tells. */
const understood = { ActionStatus: 'OK', ErrorInfo: '', ErrorCode: 0 };

/** The API, known by its signature. */
const api: Caller = { principal: { name: 'tencent', role: 'producer' }, way: 'api' };

/** Largest body, in bytes. A callback has some 500. */
const largestBody = 64 * 1024;

/**
 * The API signs what it tells and has no token.
 *
 * @returns undefined where nothing is signed.
 * @throws HttpProblem 401 where the signature does not count.
 */
function signedBy(url: URL, { service, metrics }: ServerContext): Caller | undefined {
  const sign = url.searchParams.get('Sign');
  if (sign === null) return undefined;
  const requestTime = url.searchParams.get('RequestTime') ?? '';
  const { webhookToken } = service.config;
  if (webhookToken !== undefined && isSigned({ sign, requestTime }, webhookToken, Date.now()))
    return api;
  metrics.toldOfRoom('unauthentic');
  throw unauthenticated(
    'Sign must be the SHA-256, in hex, of the token and RequestTime, which must be at most 60 s ago',
    webhookToken === undefined
      ? 'set TENCENT_WEBHOOK_TOKEN to the token in the console of the app'
      : 'TENCENT_WEBHOOK_TOKEN must be the token in the console of the app, and the clock must be right',
  );
}

/** Servers that have logged what cannot be read: once, for there may be 200 a second. */
const haveLogged = new WeakSet<ServerContext>();

export const webhook = route(
  {
    ...{ method: 'post', path: '/webhooks/tencent', role: 'producer', signedBy },
    summary:
      'Takes what the API tells of the end of a room (Live.CallbackAfterDestroyRoom), as it sends it. A copy that another service passes on needs a token.',
    query: z.looseObject({
      SdkAppid: z.string().optional().meta({ description: 'the SDKAppID of this server' }),
      CallbackCommand: z.string().optional(),
      Sign: z
        .string()
        .optional()
        .meta({ description: 'SHA-256, in hex, of the token and RequestTime; instead of a token' }),
      RequestTime: z.string().optional().meta({ description: 'seconds since 1970' }),
    }),
    streams: {
      json: z.looseObject({
        CallbackCommand: z.string().meta({ example: roomEnded }),
        RoomId: z.string(),
        EventType: z.string().meta({ description: 'DestroyByUser or DestroyBySystem' }),
        EventTime: z.number().meta({ description: 'milliseconds since 1970' }),
        Statistic: z.looseObject({}).optional(),
      }),
      types: [],
    },
    answers: {
      200: {
        means: 'it is written down, or tells of something else and is ignored',
        schema: z.object({
          ActionStatus: z.string(),
          ErrorInfo: z.string(),
          ErrorCode: z.int(),
        }),
      },
    },
  },
  async ({ context, query, incoming }) => {
    const { service, events, metrics, log, limits } = context;
    const ours = String(service.config.sdkAppId);
    try {
      if (query.SdkAppid !== ours) {
        throw new ReaperError(
          'INVALID',
          `SdkAppid must be ${ours}, the app of this server; send it to the server of its app`,
        );
      }
      if (!['identity', undefined].includes(incoming.headers['content-encoding']))
        throw new HttpProblem('WRONG_MEDIA_TYPE', 'the body must be JSON, not compressed');
      const callback = readCallback(
        await readText(incoming, largestBody, limits),
        query.CallbackCommand,
      );
      if (callback.kind === 'other') {
        metrics.toldOfRoom('ignored');
        return { json: understood };
      }
      if (callback.kind === 'unreadable') throw new HttpProblem('MALFORMED', callback.problem);
      metrics.toldOfRoom(await events.take(callback.event));
      return { json: understood };
    } catch (error) {
      const isOurs =
        error instanceof ReaperError
          ? error.code === 'UNAVAILABLE'
          : !(error instanceof HttpProblem);
      metrics.toldOfRoom(isOurs ? 'failed' : 'refused');
      if (!isOurs && !haveLogged.has(context)) {
        haveLogged.add(context);
        log.warn(
          { err: error },
          'what the API tells of a room cannot be read, and is refused; this is said once',
        );
      }
      throw error;
    }
  },
);
