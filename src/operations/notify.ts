/**
 * Tells another service what happened, as Standard Webhooks: each event at least once, from the
 * outbox in the ledger (src/ledger/events.ts). Any number of processes do so side by side.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import { noteTry, takeDueEvents, type DueEvent } from '../ledger/events.js';
import { reasonOf } from '../time-limit.js';
import { untraced } from '../traces.js';
import type { Service } from './service.js';

export { eventTypes, type EventType } from '../ledger/events.js';

/** How often it is looked for events, in milliseconds. */
const lookEveryMs = 1_000;

/** Most events under way at once. */
const mostAtOnce = 10;

/** How long a receiver has to answer, in milliseconds. */
const answerLimitMs = 10_000;

/** Nobody else tries an event for so long, in milliseconds; whoever took it may have died. */
const leaseMs = 3 * answerLimitMs;

/** An event that could not be delivered for so long is given up, in milliseconds. */
const oldestMs = 24 * 3_600_000;

const firstPauseMs = 5_000;
const longestPauseMs = 3_600_000;

export interface Notifier {
  /** Ends what is under way. What was not delivered by then is, by whoever runs next. */
  close(): Promise<void>;
}

export interface NotifierOptions {
  url: string;
  /** `whsec_…` */
  secret: string;
  log: Logger;
  /** Pause before the second try, in milliseconds; it doubles. Default: five seconds. */
  firstPauseMs?: number;
}

/** Delivers events of the service's app until it is closed. */
export function startNotifier(
  service: Pick<Service, 'database' | 'config'>,
  options: NotifierOptions,
): Notifier {
  const { log } = options;
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  function onTrouble(error: unknown): void {
    log.warn({ reason: reasonOf(error) }, 'the ledger does not take what is done about events');
  }

  async function look(): Promise<void> {
    const events = await takeDueEvents(service.database, {
      sdkAppId: service.config.sdkAppId,
      ...{ limit: mostAtOnce, leaseMs, oldestMs },
    });
    // One that cannot be noted is no trouble of the others.
    await Promise.all(events.map((event) => deliver(event).catch(onTrouble)));
  }

  async function deliver(event: DueEvent): Promise<void> {
    const { database } = service;
    const tried = await send(event, options, closing.signal);
    if (tried.kind === 'delivered') return noteTry(database, event.id, {});
    // Nobody knows whether it arrived.
    if (closing.signal.aborted) return noteTry(database, event.id, { again: 0 });
    const { trouble } = tried;
    const again =
      tried.kind === 'gone'
        ? undefined
        : pauseBefore(event, tried.retryAfterMs, options.firstPauseMs);
    log.warn(
      { event: event.id, type: event.type, tries: event.tries, trouble },
      again === undefined ? 'an event is given up' : 'an event was not delivered yet',
    );
    return noteTry(database, event.id, { trouble, ...(again === undefined ? {} : { again }) });
  }

  function run(): void {
    running = look()
      .catch(onTrouble)
      .finally(() => {
        if (!closing.signal.aborted) timer = setTimeout(run, lookEveryMs);
      });
  }
  let running: Promise<unknown> = Promise.resolve();
  run();
  return {
    async close() {
      closing.abort();
      clearTimeout(timer);
      await running;
    },
  };
}

/** Doubles from five seconds to an hour. @returns undefined where the event's day is over by then. */
export function pauseBefore(
  { tries, ageMs }: Pick<DueEvent, 'tries' | 'ageMs'>,
  retryAfterMs = 0,
  firstMs = firstPauseMs,
): number | undefined {
  const ownMs = Math.min(longestPauseMs, firstMs * 2 ** (tries - 1));
  const pauseMs = Math.max(ownMs, retryAfterMs);
  return ageMs + pauseMs > oldestMs ? undefined : pauseMs;
}

type Tried =
  | { kind: 'delivered' }
  | { kind: 'failed'; trouble: string; retryAfterMs?: number }
  /** The receiver wants no more of it. */
  | { kind: 'gone'; trouble: string };

/** The body of an event; the same with every try. */
export function bodyOf({
  type,
  data,
  createdAtMs,
}: Pick<DueEvent, 'type' | 'data' | 'createdAtMs'>) {
  return JSON.stringify({ type, timestamp: new Date(createdAtMs).toISOString(), data });
}

/** @param timestamp - of the try, in seconds since the epoch: receivers refuse what is old. */
export function signWebhook(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return `v1,${signature}`;
}

async function send(
  event: DueEvent,
  { url, secret }: NotifierOptions,
  closing: AbortSignal,
): Promise<Tried> {
  const body = bodyOf(event);
  const timestamp = Math.floor(Date.now() / 1_000);
  try {
    const request = {
      method: 'POST',
      body,
      headers: {
        'Content-Type': 'application/json',
        'User-Agent': 'room-reaper',
        'webhook-id': event.id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signWebhook(secret, event.id, timestamp, body),
      },
      // Followed, it would go where the signature was not meant for.
      redirect: 'manual',
      signal: AbortSignal.any([closing, AbortSignal.timeout(answerLimitMs)]),
    } as const;
    // The URL may hold a token.
    const response = await untraced(() => fetch(url, request));
    // What it says is of no use here.
    await response.body?.cancel().catch(() => undefined);
    const trouble = `HTTP ${response.status}`;
    if (response.ok) return { kind: 'delivered' };
    if (response.status === 410) return { kind: 'gone', trouble };
    const retryAfterMs = readRetryAfter(response.headers.get('Retry-After'), Date.now());
    return { kind: 'failed', trouble, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  } catch (error) {
    const { cause, name } = error as Error;
    if (name === 'TimeoutError')
      return { kind: 'failed', trouble: `no answer within ${answerLimitMs / 1_000} s` };
    // Of fetch the cause tells more, and its message may repeat the URL.
    const reason = isBadPort(cause)
      ? `NOTIFY_URL must have another port than ${new URL(url).port}, to which no HTTP client sends`
      : reasonOf(cause ?? error);
    return { kind: 'failed', trouble: reason };
  }
}

/**
 * Ports of other protocols (9, 25, 6667 …): a request to them could be read as one of those.
 * Source: https://fetch.spec.whatwg.org/#port-blocking
 */
function isBadPort(cause: unknown): boolean {
  return cause instanceof Error && cause.message === 'bad port';
}

/** Seconds, or a date. @returns milliseconds from now; undefined where it says nothing of use. */
export function readRetryAfter(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  // Of the forms of HTTP's dates the one in use; Date.parse takes more than dates.
  const atMs = text.endsWith(' GMT') ? Date.parse(text) : NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
