/** What the pages say. Sentences of the API are shown as they are. */
import { count, withLocalTimes } from './format';
import type { Batch, Lane, Outcome, Role, SeenWorker, StatisticsFrom } from './types';

export const product = 'room-reaper';

export const screens = {
  line: 'Line',
  batches: 'Batches',
  new: 'New batch',
  room: 'Room',
  errors: 'Errors',
  quota: 'Quota',
  actions: 'Actions',
} as const;

export const outcomeWords: Readonly<Record<Outcome, string>> = {
  destroyed: 'destroyed',
  already_gone: 'already gone',
  recreated: 'created again, not destroyed',
  destroyed_statistics_lost: 'destroyed, statistics lost',
  failed: 'failed',
  expired: 'expired',
  rejected: 'rejected',
  cancelled: 'cancelled',
};

const sourceWords = {
  webhook: 'from the webhook',
  snapshot: 'from a snapshot',
} as const;

/** Where statistics are from that are not from the answer; undefined: all that there are, are. */
export function sources({ response, lost, ...others }: StatisticsFrom): string | undefined {
  const words = Object.entries(sourceWords) as [keyof typeof sourceWords, string][];
  const parts = words.flatMap(([source, word]) =>
    others[source] === 0 ? [] : [`${count(others[source])} ${word}`],
  );
  if (parts.length === 0) return undefined;
  const missing = lost === 0 ? [] : [`${count(lost)} lost`];
  return [`${count(response)} from the answers`, ...parts, ...missing].join(', ');
}

/** Where the statistics of one room are from, where that is not its answer. */
export function sourceOf(source: string | undefined): string | undefined {
  return source === 'webhook' || source === 'snapshot' ? sourceWords[source] : undefined;
}

export const laneWords: Readonly<Record<Lane, string>> = {
  urgent: 'urgent',
  retry: 'retries',
  normal: 'single rooms',
  bulk: 'lists',
};

export const batchWords: Readonly<Record<Batch['state'], string>> = {
  enqueuing: 'is being put on the queue',
  waiting: 'waits',
  running: 'runs',
  finished: 'finished',
  cancelled: 'cancelled',
};

export const roleWords: Readonly<Record<Role, string>> = {
  viewer: 'may look',
  producer: 'may ask for rooms',
  operator: 'may do everything',
};

/** Why nothing moves, and what to do: `noEtaBecause` of the API. */
export const standstillWords: Readonly<Record<string, string>> = {
  paused: 'The queue is paused: no worker takes up a room. Resume it when the reason is gone.',
  line_stands: 'The line stands.',
  no_worker: 'No worker is at work. Start one: room-reaper worker',
  workers_hold_back: 'No worker can send: each says why below.',
  nothing_sent:
    'There are workers and rooms, and nothing was sent for ten seconds. Look at the logs of the workers.',
  queue_unknown: 'The queue does not answer.',
  queue_read_only: 'The queue can be read, but not written.',
  ledger_unknown: 'The ledger does not answer.',
  ledger_read_only: 'The ledger can be read, but not written.',
};

/** What texts of the API tell people at a terminal, as it is done here. */
const herePhrases: readonly (readonly [string, string])[] = [
  ['run `room-reaper resume` to go on', 'Resume on the page Line goes on'],
  ['run `room-reaper resume`', 'resume on the page Line'],
  ['`room-reaper resume` goes on', 'Resume goes on'],
  ['see `room-reaper status`: another host stands', 'another host stands: see the page Line'],
];

/** A sentence of the API, with times and actions as they are here. */
export function asHere(text: string, now?: Date): string {
  const said = herePhrases.reduce((all, [there, here]) => all.replaceAll(there, here), text);
  return withLocalTimes(said, now);
}

/** What becomes of rooms that a replay could take. */
export const fateWords: Readonly<Record<string, string>> = {
  replay: 'are asked for again',
  refused: 'stay out: refused for good, and would be again',
  protected: 'stay out: protected',
  recreated: 'stay out: created again since, so they are other rooms',
  cancelled: 'stay out: somebody cancelled them',
  pending: 'stay out: asked for again already',
  gone: 'stay out: gone since',
};

export const verdictWords: Readonly<Record<string, string>> = {
  destroyed: 'destroyed',
  gone: 'already gone',
  transient: 'failed, tried again',
  over_quota: 'over quota',
  stale_signature: 'signature refused',
  stop_line: 'stopped the line',
  rejected: 'refused for good',
};

export function workerWords({ alive, state, reason }: SeenWorker): string {
  if (!alive) return 'silent';
  return reason === undefined ? state : `${state}: ${reason}`;
}

/** In the tab and in the largest words of the page. */
export const lineTitles = {
  running: 'Running',
  idle: 'Nothing to do',
  braked: 'Braked',
  outage: 'The API does not work',
  stopped: 'STOPPED',
  paused: 'Paused',
  waiting: 'Nothing moves',
  unavailable: 'A store is away',
  unknown: 'The server does not answer',
  loading: 'Looking …',
} as const;

export type LineTitle = keyof typeof lineTitles;

/** Instead of a code, in charts. */
export const noCode = 'no answer';
