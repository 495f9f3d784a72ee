/** What happened in one run: all that the invariants are checked against. */
import type { RoomEnd, ServerReport } from '../support/counting-server.js';
import type { ProxyReport } from '../support/proxy.js';
import type { Step } from './schedule.js';

/** A worker process. */
export interface Process {
  place: number;
  /** As it calls itself in the ledger; undefined until it takes jobs. */
  workerId: string | undefined;
  /** Milliseconds since the epoch, as all times here. */
  startedAtMs: number;
  end: { atMs: number; code: number | null; signal: NodeJS.Signals | null } | undefined;
  /** What it was sent. */
  signals: { atMs: number; name: NodeJS.Signals }[];
  /** Both its streams. */
  output: string;
}

/** A request that the queue has taken. */
export interface Accepted {
  roomId: string;
  /** Where the producer was told one. */
  destructionId: string | undefined;
  /** When the producer was told so. */
  atMs: number;
}

export interface DestructionRow {
  id: string;
  room_id: string;
  batch_id: string | null;
  outcome: string | null;
  error_code: number | null;
  request_id: string | null;
  statistics_source: string | null;
  total_viewers: string | null;
  total_gifts_sent: string | null;
  total_gift_coins: string | null;
  total_unique_gift_senders: string | null;
  total_likes_received: string | null;
  requestedAtMs: number;
  notAfterMs: number;
  finishedAtMs: number | null;
  /** Only a room that was created by then was meant. */
  onlyCreatedBeforeMs: number | null;
  /** When the totals were read, where they are of a snapshot. */
  snapshotAtMs: number | null;
}

/** The API told of the end of a room, and it was taken. */
export interface Told {
  end: RoomEnd;
  atMs: number;
  withTotals: boolean;
}

/** A room was created again. */
export interface Created {
  roomId: string;
  atMs: number;
}

export interface AttemptRow {
  destruction_id: string;
  attempt: number;
  worker_id: string;
  verdict: string | null;
  reason: string | null;
  http_status: number | null;
  error_code: number | null;
  may_have_acted: boolean | null;
  request_id: string | null;
  slotAtMs: number;
  sentAtMs: number | null;
  endedAtMs: number | null;
}

export interface BatchRow {
  id: string;
  name: string | null;
  total: number;
  finished: boolean;
  /** Its rooms under destructions of others that have ended. */
  joined: number;
  /** By the batch's own counters. */
  counters: Record<string, number>;
  /** By its rows. */
  rows: Record<string, number>;
  /** The destructions that its rooms are under, those of others too. */
  members: string[];
  /** The sums of the five totals, and how many rooms have them from where, as reports say them. */
  sums: { totals: string[]; from: Record<string, number> };
}

/** Something that was done, as it really went. */
export interface Done {
  fromMs: number;
  untilMs: number;
  deed: Step['deed'];
}

export interface History {
  seed: number;
  /** When the faults began and ended. */
  faults: { fromMs: number; untilMs: number };
  /** When the last job had left the queue; undefined: it did not, for as long as was waited. */
  emptyAtMs: number | undefined;
  done: Done[];
  accepted: Accepted[];
  /** Requests that the queue neither took nor refused. */
  unanswered: string[];
  /** Names of the batches that the command line took. */
  batchesAccepted: string[];
  server: ServerReport;
  /** The rooms that went, each time that they did. */
  ends: readonly RoomEnd[];
  /** What was told of that. */
  told: readonly Told[];
  created: readonly Created[];
  /** Destructions of which a snapshot is kept. */
  snapshots: string[];
  /** Destructions that a replay has asked for anew: their jobs have left the failed set. */
  replaced: string[];
  apiProxy: ProxyReport;
  destructions: DestructionRow[];
  attempts: AttemptRow[];
  batches: BatchRow[];
  queue: {
    counts: Record<string, number>;
    failed: { id: string; reason: string; atMs: number }[];
  };
  processes: readonly Process[];
  /** Everything that anyone could read afterwards: outputs, the queue, the ledger. */
  texts: { name: string; text: string }[];
  /** The key, and every UserSig that arrived at the server. */
  secrets: string[];
  /** REQUEST_TIMEOUT_MS of the workers. */
  requestTimeoutMs: number;
}
