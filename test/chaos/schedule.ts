/** What is done to whom and when: a pure function of the seed. */
import type { NetworkFault } from '../support/proxy.js';
import { createRandom, type Random } from './random.js';

export type Link = 'redis' | 'postgres' | 'api';

export type Deed =
  /** SIGKILL; another process takes its place. */
  | { kind: 'kill worker'; worker: number }
  /** SIGSTOP, and SIGCONT when it is over. */
  | { kind: 'freeze worker'; worker: number }
  /** SIGTERM; another process takes its place once it has exited. */
  | { kind: 'stop worker'; worker: number }
  /** SIGKILL, and a start on the same data when it is over. */
  | { kind: 'kill server'; server: 'redis' | 'postgres' }
  /** SIGSTOP, and SIGCONT when it is over. */
  | { kind: 'freeze redis' }
  | { kind: 'cut'; link: Link }
  /** The connections that exist are silent for good; new ones work. */
  | { kind: 'forget'; link: Link }
  | { kind: 'network'; link: Link; fault: Exclude<NetworkFault, { kind: 'none' }> }
  /** The API answers this share of the requests with faults of these kinds. */
  | { kind: 'api faults'; name: 'all 502' | 'all 100001' | 'a fifth fails'; share: number }
  /** Every signature used so far is stale from now on. */
  | { kind: 'invalidate signatures' };

export interface Step {
  /** From the start of the faults, in milliseconds. */
  atMs: number;
  /** How long it lasts; 0 where it is over at once. */
  forMs: number;
  deed: Deed;
}

/** What can have one fault at a time. */
export function targetOf(deed: Deed): string {
  switch (deed.kind) {
    case 'kill worker':
    case 'freeze worker':
    case 'stop worker':
      return `worker ${deed.worker}`;
    case 'kill server':
      return deed.server;
    case 'freeze redis':
      return 'redis';
    case 'cut':
    case 'forget':
    case 'network':
      return `connections to ${deed.link}`;
    case 'api faults':
      return 'answers of the API';
    case 'invalidate signatures':
      return 'signatures';
    default:
      return deed satisfies never;
  }
}

type Draft = Omit<Step, 'atMs'>;

/** One card per kind of trouble. The deck is dealt to its end before it is shuffled anew, so that a short run meets most of them. */
const deck: readonly ((random: Random, workers: number) => Draft)[] = [
  ...Array.from({ length: 4 }, () => (random: Random, workers: number): Draft => ({
    forMs: 0,
    deed: { kind: 'kill worker', worker: random.whole(0, workers - 1) },
  })),
  ...Array.from({ length: 2 }, () => (random: Random, workers: number): Draft => ({
    forMs: random.whole(300, 10_000),
    deed: { kind: 'freeze worker', worker: random.whole(0, workers - 1) },
  })),
  // Longer than its locks last: another worker takes up what it has in hand.
  (random, workers) => ({
    forMs: random.whole(26_000, 32_000),
    deed: { kind: 'freeze worker', worker: random.whole(0, workers - 1) },
  }),
  (random, workers) => ({
    forMs: 0,
    deed: { kind: 'stop worker', worker: random.whole(0, workers - 1) },
  }),
  (random) => ({ forMs: random.whole(0, 2_500), deed: { kind: 'kill server', server: 'redis' } }),
  (random) => ({
    forMs: random.whole(0, 2_500),
    deed: { kind: 'kill server', server: 'postgres' },
  }),
  (random) => ({ forMs: random.whole(300, 4_000), deed: { kind: 'freeze redis' } }),
  () => ({ forMs: 0, deed: { kind: 'cut', link: 'redis' } }),
  () => ({ forMs: 0, deed: { kind: 'cut', link: 'postgres' } }),
  () => ({ forMs: 0, deed: { kind: 'cut', link: 'api' } }),
  () => ({ forMs: 0, deed: { kind: 'cut', link: 'api' } }),
  () => ({ forMs: 0, deed: { kind: 'forget', link: 'redis' } }),
  () => ({ forMs: 0, deed: { kind: 'forget', link: 'postgres' } }),
  () => ({ forMs: 0, deed: { kind: 'forget', link: 'api' } }),
  (random) => network(random, 'redis', delay(random, 200)),
  (random) => network(random, 'postgres', delay(random, 200)),
  // Towards the API nothing is held up: arrivals later than ARRIVAL_JITTER_MS are not promised.
  (random) =>
    network(random, 'api', { kind: 'delay', toServerMs: 0, toClientMs: random.whole(10, 1_000) }),
  (random) => network(random, 'redis', { kind: 'silence' }),
  (random) => network(random, 'postgres', { kind: 'silence' }),
  (random) => network(random, 'api', { kind: 'silence' }),
  (random) => network(random, 'redis', { kind: 'refuse' }),
  (random) => network(random, 'postgres', { kind: 'refuse' }),
  (random) => network(random, 'api', { kind: 'refuse' }),
  (random) => network(random, 'api', { kind: 'garble', share: 0.3, seed: random.whole(1, 1e6) }),
  (random) => network(random, 'redis', { kind: 'garble', share: 0.02, seed: random.whole(1, 1e6) }),
  (random) =>
    network(random, 'postgres', { kind: 'garble', share: 0.02, seed: random.whole(1, 1e6) }),
  (random) => ({
    forMs: random.whole(500, 4_000),
    deed: { kind: 'api faults', name: 'all 502', share: 1 },
  }),
  (random) => ({
    forMs: random.whole(500, 4_000),
    deed: { kind: 'api faults', name: 'all 100001', share: 1 },
  }),
  (random) => ({
    forMs: random.whole(2_000, 6_000),
    deed: { kind: 'api faults', name: 'a fifth fails', share: 0.2 },
  }),
  () => ({ forMs: 0, deed: { kind: 'invalidate signatures' } }),
];

function network(random: Random, link: Link, fault: NetworkFault): Draft {
  if (fault.kind === 'none') throw new Error('no fault is no deed');
  return { forMs: random.whole(300, 5_000), deed: { kind: 'network', link, fault } };
}

/** Half of them are slower in one direction than in the other. */
function delay(random: Random, mostMs: number): NetworkFault {
  const toServerMs = random.whole(1, mostMs);
  const toClientMs = random.next() < 0.5 ? toServerMs : random.whole(0, mostMs);
  return { kind: 'delay', toServerMs, toClientMs };
}

/** Between one deed and the next, at most, in milliseconds: by the seed, for dense and for sparse trouble. */
const longestGapMs = { from: 1_200, to: 4_500 };

/** @param faultsMs - nothing begins later, and nothing lasts longer than this. */
export function makeSchedule(seed: number, faultsMs: number, workers: number): Step[] {
  const random = createRandom(seed);
  const steps: Step[] = [];
  const gapMs = random.whole(longestGapMs.from, longestGapMs.to);
  const freeFrom = new Map<string, number>();
  let cards: (typeof deck)[number][] = [];
  for (let atMs = 0; ;) {
    atMs += random.whole(100, gapMs);
    if (atMs >= faultsMs) return steps;
    if (cards.length === 0) cards = random.shuffled(deck);
    const draft = cards.pop()?.(random, workers);
    if (draft === undefined) continue;
    const target = targetOf(draft.deed);
    // One fault at a time for each: the second would end the first, or be ended by it.
    const startMs = Math.max(atMs, freeFrom.get(target) ?? 0);
    if (startMs >= faultsMs) continue;
    const forMs = Math.min(draft.forMs, faultsMs - startMs);
    freeFrom.set(target, startMs + forMs + 500);
    steps.push({ atMs: startMs, forMs, deed: draft.deed });
    steps.sort((a, b) => a.atMs - b.atMs);
  }
}
