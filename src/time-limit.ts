/** How long one check may take, in milliseconds. */
export const checkLimitMs = 5_000;

/** Opening the embedded database takes a second or two, and more on a busy machine. */
export const embeddedLimitMs = 20_000;

export class TooSlow extends Error {
  override readonly name = 'TooSlow';
  readonly seconds: number;

  constructor(limitMs: number) {
    super(`no answer within ${limitMs / 1000} s`);
    this.seconds = limitMs / 1000;
  }
}

/**
 * What `work` comes to, within a limit: the one for that. What it still does then is left alone.
 *
 * @param limit - milliseconds, or what aborts when it is over.
 * @throws TooSlow, or the signal's reason.
 */
export async function within<T>(limit: number | AbortSignal, work: Promise<T>): Promise<T> {
  let dispose: () => void = () => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    if (typeof limit === 'number') {
      const timer = setTimeout(() => reject(new TooSlow(limit)), limit);
      dispose = () => clearTimeout(timer);
      return;
    }
    const stop = () => reject(limit.reason as Error);
    if (limit.aborted) stop();
    limit.addEventListener('abort', stop, { once: true });
    dispose = () => limit.removeEventListener('abort', stop);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    dispose();
    work.catch(() => undefined);
  }
}

/**
 * Why something failed, fit to be shown: a code, or the first word of a server's message.
 * Whole messages of clients and servers may repeat a password or a signed URL.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof TooSlow) return error.message;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code)) return code;
  const word = typeof message === 'string' ? /^[A-Z]{2,30}\b/.exec(message)?.[0] : undefined;
  if (word !== undefined) return word;
  // As ioredis says that it has no connection, and will not wait for one.
  if (typeof message === 'string' && /^(Stream isn't writeable|Connection is closed)/.test(message))
    return 'not connected';
  if (typeof message === 'string' && /timeout/i.test(message)) return 'no answer in time';
  return error instanceof Error ? error.name : 'unknown error';
}
