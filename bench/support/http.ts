/** Whoever asks `room-reaper serve`: pollers, downloads and uploads, as other programs make them. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Api {
  /** Where it serves. */
  url: string;
  token: string;
}

/** Between two looks of one poller, in milliseconds. */
const pollMs = 1_000;

/** @throws Error where the answer is another than these statuses. */
async function ask(
  { url, token }: Api,
  path: string,
  { headers, ...options }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  statuses: readonly number[] = [200],
): Promise<Response> {
  const response = await fetch(url + path, {
    ...options,
    headers: { Authorization: `Bearer ${token}`, ...headers },
  });
  if (statuses.includes(response.status)) return response;
  throw new Error(`${path} must answer ${statuses.join(' or ')}, got ${await response.text()}`);
}

/** Asks for each of these paths once, in turn. */
export async function lookOnce(api: Api, paths: readonly string[]): Promise<void> {
  for (const path of paths) await (await ask(api, path, {}, [200])).arrayBuffer();
}

/**
 * Asks for each of these paths once a second, with the ETag of the answer before, as a page does.
 *
 * @param times - gets how long each answer took, in milliseconds, under its path.
 */
export async function poll(
  api: Api,
  paths: readonly string[],
  times: Map<string, number[]>,
  signal: AbortSignal,
): Promise<void> {
  const etags = new Map<string, string>();
  while (!signal.aborted) {
    const roundAt = performance.now();
    for (const path of paths) {
      const etag = etags.get(path);
      const headers = etag === undefined ? {} : { 'If-None-Match': etag };
      const askedAt = performance.now();
      const response = await ask(api, path, { headers }, [200, 304]);
      await response.arrayBuffer();
      times.set(path, [...(times.get(path) ?? []), performance.now() - askedAt]);
      etags.set(path, response.headers.get('ETag') ?? '');
    }
    const restMs = Math.max(0, roundAt + pollMs - performance.now());
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The report of a batch as CSV. @returns how many rooms it had, and how long it took, in seconds. */
export async function downloadReport(
  api: Api,
  batchId: string,
  signal: AbortSignal,
): Promise<{ rooms: number; seconds: number }> {
  const askedAt = performance.now();
  const response = await ask(api, `/v1/batches/${batchId}/report?format=csv`, { signal });
  let lines = 0;
  for await (const chunk of response.body ?? []) {
    for (const byte of chunk) if (byte === 0x0a) lines += 1;
  }
  return { rooms: lines - 1, seconds: (performance.now() - askedAt) / 1_000 };
}

/** Sends a list in one request, as it is made. @returns the batch, once the list is safe (202). */
export async function upload(
  api: Api,
  name: string,
  rooms: number,
): Promise<{ batchId: string; seconds: number }> {
  const askedAt = performance.now();
  const query = new URLSearchParams({ name, expect: String(rooms) });
  const response = await ask(
    api,
    `/v1/batches?${query.toString()}`,
    {
      method: 'POST',
      headers: { 'Content-Type': 'text/plain' },
      body: ReadableStream.from(linesOf(name, rooms)),
      duplex: 'half',
    },
    [202],
  );
  const { batchId, unique } = (await response.json()) as { batchId: string; unique: number };
  if (unique !== rooms) throw new Error(`${rooms} rooms must be taken, got ${unique}`);
  return { batchId, seconds: (performance.now() - askedAt) / 1_000 };
}

/** A thousand RoomIds at a time. */
function* linesOf(name: string, rooms: number): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  for (let from = 0; from < rooms; from += 1_000) {
    const chunk = Array.from({ length: Math.min(1_000, rooms - from) }, (_, at) => from + at);
    yield encoder.encode(chunk.map((number) => `${name}-${number}\n`).join(''));
  }
}

/** Waits until all rooms of a batch are on the queue. @returns how long that took, in seconds. */
export async function untilEnqueued(api: Api, batchId: string): Promise<number> {
  const beganAt = performance.now();
  for (;;) {
    const response = await ask(api, `/v1/batches/${batchId}`);
    const { state } = (await response.json()) as { state: string };
    if (state !== 'enqueuing') return (performance.now() - beganAt) / 1_000;
    await sleep(200);
  }
}

/** How many rooms are on the queue, waiting or in hand. */
export async function onTheQueue(api: Api): Promise<number> {
  const status = (await (await ask(api, '/v1/status')).json()) as {
    queue: { waiting: number; active: number; delayed: number };
  };
  return status.queue.waiting + status.queue.active + status.queue.delayed;
}
