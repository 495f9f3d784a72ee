import { createHash } from 'node:crypto';
import { invalid } from '../errors.js';
import { printable } from '../redact.js';
import { orUndefined } from '../or-undefined.js';
import { roomInfoOf, statisticsOf, type Life } from './truth.js';
import { fateOf, readWebhookFaults } from './webhook-faults.js';

export interface WebhookOptions {
  /** Where the callbacks are posted: http or https. */
  url: string;
  /** What they are signed with; without it they carry no `Sign`. */
  token?: string;
  /** `lost`, `late`, `twice` or `no-statistics`, each with `=SHARE` of the callbacks. Default none. */
  faults?: readonly string[];
  /** The longest that a late callback is late. Default 60. */
  latestSeconds?: number;
}

/** What became of the callbacks. */
export interface WebhookReport {
  /** HTTP requests that were sent. */
  posts: number;
  /** Callbacks that were answered with 2xx. */
  taken: number;
  /** Never sent, by a fault. */
  lost: number;
  /** Answered with another status below 500: they are not sent again. */
  refused: number;
  /** Answered with 5xx, or not at all, for a minute. */
  givenUp: number;
  /** Not sent because too many waited. */
  dropped: number;
  /** To be sent, now or later. */
  waiting: number;
}

export type Webhook = ReturnType<typeof createWebhook>;

export interface WebhookApp {
  sdkAppId: number;
  adminIdentifier: string;
  /** Draws the callbacks that meet a fault. */
  seed: number;
}

interface Callback {
  room: Life;
  by: 'user' | 'system';
  /** Milliseconds since 1970. */
  atMs: number;
  withStatistic: boolean;
  tries: number;
  /** Before the first try: undefined. */
  triedFirstAtMs: number | undefined;
}

const command = 'Live.CallbackAfterDestroyRoom';
/** Posts under way at once. */
const mostPosts = 8;
/** Callbacks that wait; more are dropped, as the memory of nothing is endless. */
const mostWaiting = 100_000;
/** How long an answer may take. */
const answerMs = 5_000;
/** How long a callback that is not taken is sent again. */
const retryForMs = 60_000;

/** @throws ReaperError `INVALID` where an option is wrong. */
export function checkWebhook({ url, token, faults = [] }: WebhookOptions): void {
  const parsed = orUndefined(() => new URL(url));
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw invalid(`webhook must be an http or https URL, got "${printable(url)}"; correct it`);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid('webhook must be a URL without a password, got one with it; leave it out');
  }
  if (token === '') {
    throw invalid('webhook token must not be empty, got nothing; leave it out to sign nothing');
  }
  readWebhookFaults(faults);
}

/**
 * Posts `Live.CallbackAfterDestroyRoom` for every room that goes (https://trtc.io/document/64423),
 * signed (https://trtc.io/document/64412). Tencent documents neither a timeout nor retries for it:
 * these are those of its sister products.
 *
 * Nobody waits for a callback: an answer of destroy_room is never slower for it.
 */
export function createWebhook(app: WebhookApp, options: WebhookOptions) {
  checkWebhook(options);
  const shares = readWebhookFaults(options.faults ?? []);
  const latestMs = (options.latestSeconds ?? 60) * 1_000;
  const counts = { posts: 0, taken: 0, lost: 0, refused: 0, givenUp: 0, dropped: 0 };
  const timers = new Set<NodeJS.Timeout>();
  const underWay = new Set<AbortController>();
  const due = createQueue<Callback>();
  let waiting = 0;
  let isClosed = false;

  function add(callback: Callback, delayMs: number): void {
    if (waiting >= mostWaiting) {
      counts.dropped++;
      return;
    }
    waiting++;
    later(callback, delayMs);
  }

  function later(callback: Callback, delayMs: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      due.push(callback);
      postDue();
    }, delayMs).unref();
    timers.add(timer);
  }

  function postDue(): void {
    while (underWay.size < mostPosts) {
      const callback = due.take();
      if (callback === undefined) return;
      void post(callback).then((status) => {
        if (isClosed) return;
        settle(callback, status);
        postDue();
      });
    }
  }

  /** @returns the HTTP status; undefined where there was no answer. */
  async function post(callback: Callback): Promise<number | undefined> {
    counts.posts++;
    callback.tries++;
    callback.triedFirstAtMs ??= Date.now();
    const abort = new AbortController();
    underWay.add(abort);
    const timer = setTimeout(() => abort.abort(), answerMs).unref();
    try {
      const response = await fetch(signedUrl(callback), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(bodyOf(callback, app)),
        redirect: 'manual',
        signal: abort.signal,
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      underWay.delete(abort);
    }
  }

  function settle(callback: Callback, status: number | undefined): void {
    const isAnswered = status !== undefined && status < 500;
    const triedForMs = Date.now() - (callback.triedFirstAtMs ?? 0);
    if (!isAnswered && triedForMs < retryForMs) {
      later(callback, Math.min(500 * 2 ** callback.tries, 10_000));
      return;
    }
    waiting--;
    if (!isAnswered) counts.givenUp++;
    else if (status >= 200 && status < 300) counts.taken++;
    else counts.refused++;
  }

  /** Signed when it is sent: a receiver refuses what was signed more than a minute ago. */
  function signedUrl({ by }: Callback): URL {
    const url = new URL(options.url);
    const query = {
      SdkAppid: String(app.sdkAppId),
      CallbackCommand: command,
      contenttype: 'json',
      ClientIP: '127.0.0.1',
      OptPlatform: by === 'user' ? 'RESTAPI' : 'Unknown',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (options.token !== undefined) {
      const requestTime = String(Math.floor(Date.now() / 1_000));
      const sign = createHash('sha256')
        .update(options.token + requestTime)
        .digest('hex');
      url.searchParams.set('RequestTime', requestTime);
      url.searchParams.set('Sign', sign);
    }
    return url;
  }

  return {
    /** A room went: `by` a request (`user`) or by itself (`system`). */
    gone(room: Life, by: Callback['by']): void {
      const fate = fateOf(shares, room, app.seed, latestMs);
      if (fate.lost) {
        counts.lost++;
        return;
      }
      const { roomId, life, createdAt } = room;
      const atMs = Date.now();
      for (let sent = 0; sent < (fate.twice ? 2 : 1); sent++) {
        const callback: Callback = {
          room: { roomId, life, createdAt },
          ...{ by, atMs, withStatistic: fate.withStatistic },
          ...{ tries: 0, triedFirstAtMs: undefined },
        };
        add(callback, fate.delayMs);
      }
    },
    report: (): WebhookReport => ({ ...counts, waiting }),
    /** What waits is not sent any more. */
    close(): void {
      isClosed = true;
      for (const abort of underWay) abort.abort();
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

function bodyOf({ room, by, atMs, withStatistic }: Callback, app: WebhookApp): object {
  return {
    CallbackCommand: command,
    Operator_Account: by === 'user' ? app.adminIdentifier : '',
    RoomId: room.roomId,
    EventType: by === 'user' ? 'DestroyByUser' : 'DestroyBySystem',
    EventTime: atMs,
    RoomInfo: roomInfoOf(room),
    ...(withStatistic && { Statistic: statisticsOf(room.roomId, room.life) }),
  };
}

/** First in, first out, in constant time also where a hundred thousand wait. */
function createQueue<Item>() {
  let items: Item[] = [];
  let head = 0;
  return {
    push(item: Item): void {
      items.push(item);
    },
    take(): Item | undefined {
      if (head === items.length) return undefined;
      const item = items[head++];
      if (head >= 1_024) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
  };
}
