/**
 * What a worker has done, for Prometheus. Each worker exports its own: sums over all of them are
 * true. What is global (the line, the queue) is not here.
 *
 * No label holds a RoomId, a batch or anything else of which there is no end.
 */
import type { Counter, CounterConfiguration } from 'prom-client';
import { outcomes, type Outcome } from '../destruction.js';
import type { SlotCounts } from '../limiter/limiter.js';
import { openMetricsEndpoint, openRegistry, readinessOf } from '../metrics-endpoint.js';
import { verdictWords, type VerdictWord } from '../tencent/verdicts.js';
import { packageVersion } from './version.js';

export interface WorkerMetrics {
  /** @param tookMs - from sending to the answer, in milliseconds; undefined: nothing was sent. */
  attempted(verdict: VerdictWord, tookMs: number | undefined): void;
  /** A room was asked about before it is destroyed. */
  asked(verdict: VerdictWord): void;
  /** The ledger took the end of a destruction. */
  ended(outcome: Outcome): void;
  /** The ledger did not take a result, which went into its job. */
  unsaved(): void;
  /** The ledger granted slots: how long it took, in milliseconds. */
  ledgerAnswered(answerMs: number): void;
}

export interface OpenMetrics extends WorkerMetrics {
  /** From now on it can be asked what is in hand, and what became of the slots. */
  begin(read: () => { inHand: number; slots: SlotCounts }): void;
  /** The worker is ending: nothing more should be sent its way. */
  drain(): void;
  close(): Promise<void>;
}

/** Where nobody asks. */
const noMetrics: OpenMetrics = {
  attempted: () => undefined,
  asked: () => undefined,
  ended: () => undefined,
  unsaved: () => undefined,
  ledgerAnswered: () => undefined,
  begin: () => undefined,
  drain: () => undefined,
  close: () => Promise.resolve(),
};

/** Seconds. An attempt takes at most REQUEST_TIMEOUT_MS, eight seconds by default. */
const attemptBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ledgerBuckets = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * @param port - where they can be fetched (src/metrics-endpoint.ts); undefined: nobody asks.
 * @param stores - how each is asked whether it answers.
 * @throws ReaperError `INVALID` where the port cannot be had.
 */
export async function openMetrics(
  port: number | undefined,
  stores: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<OpenMetrics> {
  if (port === undefined) return noMetrics;
  const { Counter, Gauge, Histogram } = await import('prom-client');
  const registry = await openRegistry();
  const registers = [registry];
  let read = () => ({ inHand: 0, slots: { granted: 0, used: 0, late: 0, givenUp: 0 } });

  /** One with a value for each label from the beginning: a rate needs the zero before the first. */
  function counter<Label extends string>(
    configuration: Omit<CounterConfiguration<Label>, 'registers'>,
    values: readonly Partial<Record<Label, string>>[],
  ): Counter<Label> {
    const made = new Counter<Label>({ ...configuration, registers });
    for (const value of values) made.inc(value as Record<Label, string>, 0);
    return made;
  }

  const attempts = counter(
    {
      name: 'room_reaper_attempts_total',
      help: 'Requests to the API that ended, by what the answer, or the lack of one, means.',
      labelNames: ['verdict'],
    },
    verdictWords.map((verdict) => ({ verdict })),
  );
  const reads = counter(
    {
      name: 'room_reaper_reads_total',
      help: 'Requests that asked about a room before it is destroyed, by what the answer means.',
      labelNames: ['verdict'],
    },
    verdictWords.map((verdict) => ({ verdict })),
  );
  const durations = new Histogram({
    name: 'room_reaper_attempt_duration_seconds',
    help: 'From sending a request to its answer.',
    buckets: attemptBuckets,
    registers,
  });
  const ends = counter(
    {
      name: 'room_reaper_outcomes_total',
      help: 'Destructions that ended, by outcome.',
      labelNames: ['outcome'],
    },
    outcomes.map((outcome) => ({ outcome })),
  );
  const lost = counter(
    {
      name: 'room_reaper_statistics_lost_total',
      help: 'Rooms that are gone and whose statistics did not come with the answer.',
    },
    [],
  );
  const unsaved = counter(
    {
      name: 'room_reaper_unsaved_results_total',
      help: 'Results that the ledger did not take before the worker had to stop; their jobs keep them.',
    },
    [],
  );
  const roundTrips = new Histogram({
    name: 'room_reaper_ledger_round_trip_seconds',
    help: 'How long the ledger took to grant slots.',
    buckets: ledgerBuckets,
    registers,
  });
  new Counter({
    name: 'room_reaper_slots_total',
    help: 'Slots that became due: used in time, used late, or given up.',
    labelNames: ['use'],
    registers,
    collect() {
      const { used, late, givenUp } = read().slots;
      this.reset();
      this.inc({ use: 'in_time' }, used - late);
      this.inc({ use: 'late' }, late);
      this.inc({ use: 'given_up' }, givenUp);
    },
  });
  new Gauge({
    name: 'room_reaper_jobs_in_hand',
    help: 'Rooms that this worker has in hand now.',
    registers,
    collect() {
      this.set(read().inHand);
    },
  });
  new Gauge({
    name: 'room_reaper_worker_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version: packageVersion() }, 1);

  const endpoint = await openMetricsEndpoint({ port, registry, readiness: readinessOf(stores) });
  return {
    drain: () => endpoint.drain(),
    close: () => endpoint.close(),
    begin(from) {
      read = from;
    },
    attempted(verdict, tookMs) {
      attempts.inc({ verdict });
      if (tookMs !== undefined) durations.observe(Math.max(0, tookMs) / 1_000);
    },
    asked: (verdict) => reads.inc({ verdict }),
    ended(outcome) {
      ends.inc({ outcome });
      if (outcome === 'destroyed_statistics_lost') lost.inc();
    },
    unsaved: () => unsaved.inc(),
    ledgerAnswered: (answerMs) => roundTrips.observe(answerMs / 1_000),
  };
}
