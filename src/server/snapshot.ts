/** One look for all who want to see the same: taken only while somebody asks. */
import { createHash } from 'node:crypto';

export interface Seen {
  json: string;
  /** A strong ETag: equal where the JSON is. */
  etag: string;
}

export type Snapshot<T = object> = () => Promise<Seen & { value: T }>;

/**
 * @param freshMs - how long one look counts, in milliseconds from its end.
 * @param staleMs - how long it is shown after that while the next one is taken, so that whoever looks
 *   often does not wait for it.
 * @param look - its failure is told to those who waited for it, and kept for nobody else.
 * @param toJson - how it is shown.
 */
export function createSnapshot<T>(
  { freshMs, staleMs = 0 }: { freshMs: number; staleMs?: number },
  look: () => Promise<T>,
  toJson: (value: T) => unknown = (value) => value,
): Snapshot<T> {
  let taken: { seen: Seen & { value: T }; atMs: number } | undefined;
  let taking: Promise<Seen & { value: T }> | undefined;
  async function take(): Promise<Seen & { value: T }> {
    const value = await look();
    const seen = { value, ...seenAs(JSON.stringify(toJson(value))) };
    taken = { seen, atMs: performance.now() };
    return seen;
  }
  return async () => {
    const ageMs = taken === undefined ? Number.POSITIVE_INFINITY : performance.now() - taken.atMs;
    if (taken !== undefined && ageMs < freshMs) return taken.seen;
    taking ??= take().finally(() => {
      taking = undefined;
    });
    if (taken === undefined || ageMs >= freshMs + staleMs) return taking;
    // Where it fails, whoever asks next waits for another one.
    taking.catch(() => undefined);
    return taken.seen;
  };
}

export function seenAs(json: string): Seen {
  return { json, etag: etagOf(json) };
}

export function etagOf(content: string | Buffer): string {
  return `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
}
