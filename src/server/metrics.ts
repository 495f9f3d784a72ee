/**
 * What is global, for Prometheus: the line, the queue, the batches. Every `serve` tells the same,
 * so that these are looked at and not summed; what workers did, they tell themselves.
 */
import type { GaugeConfiguration } from 'prom-client';
import { openRegistry } from '../metrics-endpoint.js';
import { readFigures } from '../operations/figures.js';
import { lineWords } from '../operations/line.js';
import type { Service } from '../operations/service.js';
import type { Status } from '../operations/status.js';
import type { Snapshot } from './snapshot.js';

export interface ServerMetrics {
  /** A request was answered. @param path - of its route, or undefined where there is none. */
  answered(
    asked: { method: string; path: string | undefined },
    status: number,
    tookMs: number,
  ): void;
  /** The API told of a room, and what became of that. */
  toldOfRoom(result: ToldOfRoom): void;
  readonly contentType: string;
  metrics(): Promise<string>;
}

/**
 * `received`, `completed` (a repetition with the statistics that were missing) and `repeated` are
 * durable; `ignored` tells of something else; `unauthentic` and `refused` are not taken; `failed` is
 * ours, and may come again.
 */
const toldOfRoom = [
  'received',
  'completed',
  'repeated',
  'ignored',
  'unauthentic',
  'refused',
  'failed',
] as const;

export type ToldOfRoom = (typeof toldOfRoom)[number];

/** Seconds. A long poll may take 30. */
const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const lineStates = [...new Set(Object.values(lineWords))];

export async function createServerMetrics(
  service: Service,
  status: Snapshot<Status>,
): Promise<ServerMetrics> {
  const { Counter, Gauge, Histogram } = await import('prom-client');
  const registry = await openRegistry();
  const registers = [registry];
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ) => {
    const configuration: GaugeConfiguration<Label> = { name, help, labelNames, registers };
    return new Gauge<Label>(configuration);
  };

  const up = gauge('room_reaper_store_up', 'Whether a store answered.', ['store']);
  const state = gauge('room_reaper_line_state', '1 for the state that the line is in, else 0.', [
    ...(['host', 'state'] as const),
  ]);
  const allowed = gauge(
    'room_reaper_line_allowed_requests_per_second',
    'The rate in force; less than the quota where a brake is on.',
    ['host'],
  );
  const quota = gauge(
    'room_reaper_quota_requests_per_second',
    'RATE_LIMIT_PER_SECOND of this process.',
  );
  const sent = gauge(
    'room_reaper_sent_requests_per_second',
    'Requests of all workers in the last ten seconds.',
  );
  const worst = gauge(
    'room_reaper_worst_window_requests',
    'Most requests to one host in any sliding second of the last minute that is counted.',
  );
  const jobs = gauge('room_reaper_queue_jobs', 'Rooms on the queue.', ['state']);
  const lanes = gauge('room_reaper_queue_waiting_jobs', 'Rooms that wait, by lane.', ['lane']);
  const oldest = gauge(
    'room_reaper_oldest_waiting_seconds',
    'How long ago the room that waits longest was asked for; 0 where none waits.',
  );
  const eta = gauge(
    'room_reaper_eta_seconds',
    'Until all that is due is done; NaN where nothing moves.',
  );
  const batches = gauge(
    'room_reaper_unfinished_batches',
    'Batches with rooms that have not ended.',
  );
  const workers = gauge('room_reaper_workers', 'Workers that were heard of lately.', ['state']);
  const deliveries = gauge(
    'room_reaper_failing_deliveries',
    'Events that NOTIFY_URL did not take: tried again, or given up in the last day.',
  );
  const requests = new Counter({
    name: 'room_reaper_http_requests_total',
    help: 'Requests to this process that were answered, by the path of their route.',
    labelNames: ['method', 'path', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'room_reaper_http_request_duration_seconds',
    help: 'From a request to the beginning of its answer.',
    labelNames: ['path'],
    buckets: requestBuckets,
    registers,
  });

  const webhooks = new Counter({
    name: 'room_reaper_webhooks_total',
    help: 'What the API told this process of rooms that ended, by what became of it.',
    labelNames: ['result'],
    registers,
  });
  for (const result of toldOfRoom) webhooks.inc({ result }, 0);

  async function refresh(): Promise<void> {
    quota.set(service.config.rateLimitPerSecond);
    const { value: seen } = await status();
    const { queue, ledger } = seen;
    up.set({ store: 'queue' }, queue === undefined ? 0 : 1);
    up.set({ store: 'ledger' }, ledger === undefined ? 0 : 1);
    // What nobody can say now is not told as it was before.
    for (const each of [state, allowed, jobs, lanes, workers]) each.reset();
    for (const each of [sent, worst, oldest, batches, deliveries]) each.set(NaN);
    eta.set(seen.etaSeconds ?? NaN);
    if (queue !== undefined) {
      const { waiting, active, delayed, failed } = queue;
      for (const [word, count] of Object.entries({ waiting, active, delayed, failed }))
        jobs.set({ state: word }, count);
      for (const [lane, count] of Object.entries(queue.lanes)) lanes.set({ lane }, count);
    }
    if (ledger === undefined) return;
    sent.set(ledger.sentPerSecond);
    for (const { host, state: found, ratePerSecond, left } of ledger.lines) {
      if (left) continue;
      const isPaused = queue?.paused && (found.kind === 'running' || found.kind === 'braked');
      const word = isPaused ? lineWords.paused : lineWords[found.kind];
      for (const each of lineStates) state.set({ host, state: each }, each === word ? 1 : 0);
      allowed.set({ host }, ratePerSecond);
    }
    for (const { isAlive, state: word } of ledger.workers)
      if (isAlive) workers.inc({ state: word });
    const { waiting = 0, givenUp = 0 } = ledger.notifications ?? {};
    deliveries.set(waiting + givenUp);
    const figures = await readFigures(service, seen).catch(() => undefined);
    if (figures === undefined) return;
    oldest.set(figures.oldestWaitingSeconds ?? 0);
    batches.set(figures.unfinishedBatches);
    if (figures.worstWindow !== undefined) worst.set(figures.worstWindow);
  }

  return {
    contentType: registry.contentType,
    answered({ method, path = 'none' }, code, tookMs) {
      requests.inc({ method, path, status: code });
      durations.observe({ path }, tookMs / 1_000);
    },
    toldOfRoom: (result) => webhooks.inc({ result }),
    async metrics() {
      await refresh();
      return registry.metrics();
    },
  };
}
