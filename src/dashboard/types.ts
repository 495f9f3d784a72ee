/** What the API answers, as far as a page shows it: docs/api.md. */
import type { Whole } from './api';

export type Role = 'viewer' | 'producer' | 'operator';

export interface Me {
  name: string;
  role: Role;
  server: {
    version: string;
    sdkAppId: number;
    /** Where requests go. */
    endpoint: string;
    ratePerSecond: number;
    label: { text: string; colour: string } | null;
  };
}

export const outcomes = [
  'destroyed',
  'already_gone',
  'recreated',
  'destroyed_statistics_lost',
  'failed',
  'expired',
  'rejected',
  'cancelled',
] as const;

export type Outcome = (typeof outcomes)[number];

/** Outcomes after which a room can be asked for again. */
export const replayable = ['failed', 'expired', 'rejected', 'cancelled'] as const;

export interface Halt {
  code?: number | null;
  reason: string;
  remedy?: string | null;
  by?: string | null;
  since: string;
  probeAt?: string | null;
}

export interface StatusLine {
  host: string;
  state: 'running' | 'braked' | 'stopped' | 'paused' | 'never_used';
  /** Its host is not used any more: what holds it holds nothing up. */
  left?: boolean;
  ratePerSecond: number;
  brakeReason?: string;
  quotaFound?: { ratePerSecond: number; at: string };
  stopped?: Halt;
  outage?: Halt;
}

export interface SeenWorker {
  host: string;
  pid: number;
  version: string;
  alive: boolean;
  state: string;
  reason?: string;
  inHand: number;
  keyFingerprint?: string;
  startedAt: string;
  seenAt: string;
}

export type Lane = 'urgent' | 'retry' | 'normal' | 'bulk';

/** Rooms by where their statistics come from. */
export interface StatisticsFrom {
  response: number;
  webhook: number;
  snapshot: number;
  lost: number;
}

export interface Batch {
  id: string;
  name?: string;
  state: 'enqueuing' | 'waiting' | 'running' | 'finished' | 'cancelled';
  total: number;
  finished: number;
  outcomes: Record<Outcome, number>;
  statisticsFrom: StatisticsFrom;
  by?: string;
  note?: string;
  /** Rooms that were created later are left alone. */
  onlyCreatedBefore?: string;
  /** Whether statistics are read before each room is destroyed. */
  snapshot?: boolean;
  parentId?: string;
  replayOf?: string;
  createdAt: string;
  finishedAt?: string;
  cancelledAt?: string;
  cancelledBy?: string;
  ratePerSecond?: number;
  etaSeconds?: number;
  lastRooms?: { roomId: string; summary: string; dueAt?: string }[];
}

export interface Status {
  line: 'running' | 'stopped' | 'paused' | 'unavailable';
  lines: StatusLine[] | null;
  /** Commands that only read and do not run. */
  reads?: (Pick<StatusLine, 'host' | 'stopped' | 'outage'> & { command: string })[];
  sentPerSecond: number | null;
  workers: SeenWorker[] | null;
  queue: {
    paused: boolean;
    waiting: number;
    lanes: Record<Lane, number>;
    active: number;
    delayed: number;
    failed: number;
    pause?: { by?: string; note?: string; since?: string };
    oldestAt?: string;
  } | null;
  etaSeconds: number | null;
  noEtaBecause?: string;
  batches: Batch[] | null;
  notifications?: {
    waiting: number;
    givenUp: number;
    since?: string;
    trouble: string;
    remedy: string;
  };
  unreachable?: string;
}

export interface Minute {
  at: string;
  requests: number;
  worstWindow: number;
  verdicts: Record<string, number>;
  outcomes: Partial<Record<Outcome, number>>;
  codes: Record<string, number>;
}

export interface History {
  countedUntil: string | null;
  minutes: Minute[];
  /** When nothing was sent, in order of their beginnings; `to` null: it lasts. */
  halts: {
    state: 'stopped' | 'outage' | 'paused';
    from: string;
    to: string | null;
    reason: string | null;
  }[];
}

/** Rooms that are not gone, for one reason. */
export interface RoomsFailure {
  outcome: Outcome;
  errorCode: number | null;
  errorInfo: string | null;
  meaning: string | null;
  remedy: string | null;
  rooms: number;
  example: string;
}

export interface Failure extends RoomsFailure {
  pending: boolean;
  wouldFailAgain: boolean;
}

export interface Finding {
  check: string;
  level: 'ok' | 'warning' | 'problem';
  text: string;
  remedy?: string;
}

export interface RoomRow {
  roomId: string;
  outcome: Outcome | null;
  state: string;
  errorCode: number | null;
  errorInfo: string | null;
  attempts: number;
  requestId: string | null;
  finishedAt: string | null;
  totalViewers: Whole | null;
  totalGiftsSent: Whole | null;
  totalGiftCoins: Whole | null;
  totalUniqueGiftSenders: Whole | null;
  totalLikesReceived: Whole | null;
}

/** A room of a batch that is live. */
export interface Survivor {
  roomId: string;
  owner?: string;
  createdAt?: string;
  views?: number;
  /** What is known of it, in words. */
  known: string;
}

/** Beside the rooms of a list that is read: how far that is, and what it came to. */
export interface ListTold {
  progress?: { pass: number; pages: number; seen: number };
  end?: { seen: number; found: number; unreadable: number; movedOn: boolean };
}

export interface Attempt {
  attempt: number;
  slotAt?: string;
  sentAt?: string;
  endedAt?: string;
  worker?: string;
  httpStatus?: number;
  errorCode?: number;
  verdict?: string;
  reason?: string;
  mayHaveActed?: boolean;
  requestId?: string;
}

export interface Explanation {
  roomId: string;
  summary: string;
  pending?: {
    destructionId: string;
    state: string;
    lane?: Lane;
    ahead?: number;
    requestedAt?: string;
    deadline?: string;
    batchId?: string;
  };
  destructions: {
    id: string;
    outcome?: Outcome;
    requestedAt: string;
    finishedAt?: string;
    batch?: { id: string; name?: string };
    errorCode?: number;
    errorInfo?: string;
    statistics?: Record<string, Whole>;
    statisticsSource?: string;
    attempts: Attempt[];
    earlierAttempts: number;
  }[];
  olderDestructions: number;
  events: {
    endedAt: string;
    endedBy: 'user' | 'system';
    operator?: string;
    statistics?: Record<string, Whole>;
    destructionId?: string;
  }[];
}

export interface Audit {
  kept: boolean;
  quotaPerSecond: number;
  from: string;
  to: string;
  requests: number;
  worstWindow: number;
  hosts: {
    host: string;
    requests: number;
    overQuota: number;
    meanRatePerSecond: number | null;
    quotaUsed: number | null;
    first?: string;
    last?: string;
    worstWindow?: { requests: number; from: string; to: string };
  }[];
  retries?: {
    rooms: number;
    mean: number;
    max: number;
    distribution: { retries: number; rooms: number }[];
  };
}

export interface Action {
  id: string;
  at: string;
  who: string;
  role?: string;
  way: string;
  what: string;
  target?: string;
  reason?: string;
  counts?: Record<string, unknown>;
  outcome: string | null;
}

export interface Preview {
  plan: string;
  origin: string;
  rooms: number;
  seconds: number;
  waitingBefore: number;
  /** What every replay minds. */
  note: string;
  doneAt: string;
  groups: {
    /** `replay`, or why it stays out. */
    fate: string;
    outcome: Outcome;
    errorCode: number | null;
    meaning: string | null;
    rooms: number;
    example: string;
  }[];
}
