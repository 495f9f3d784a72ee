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
 * What `work` comes to, within `limitMs`. What it still does then is left alone: the program
 * ends soon after.
 *
 * @throws TooSlow
 */
export async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TooSlow(limitMs)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
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
  if (typeof message === 'string' && /timeout/i.test(message)) return 'no answer in time';
  return error instanceof Error ? error.name : 'unknown error';
}
