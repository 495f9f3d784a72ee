/** What callers may pass, and the check of it: those without types pass anything, and what is ignored may destroy a room now. */
import type { OutcomeCounts, Precautions, SourceCounts } from '../destruction.js';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { keyPrefixProblem, ledgerSchemes, queueSchemes, storeUrlProblem } from '../store-url.js';
import { tlsProblem, type TlsOptions } from '../tls-options.js';
import { createdBeforeProblem } from '../when.js';

export interface ProducerOptions {
  /** A URL of Redis or Postgres, or `embedded`: the QUEUE_URL of the workers. */
  queueUrl: string;
  /** What the keys of the queue begin with in Redis: the QUEUE_PREFIX of the workers. Default `bull`. */
  prefix?: string;
  /** The app whose rooms are destroyed. */
  sdkAppId: number;
  /** How long after it was due a destruction may still be sent, in hours. Default 24. */
  deadlineHours?: number;
  /**
   * A URL of Postgres, or `embedded`: the DATABASE_URL of the workers. Only batches need it. Default:
   * none, or `embedded` where the queue is.
   */
  databaseUrl?: string;
  /** Certificates of the service's own for the queue, where `queueUrl` is `rediss…://` or `postgres://`. */
  tls?: TlsOptions;
  /** The same for the ledger. */
  databaseTls?: TlsOptions;
  /** Where `embedded` keeps its data. Default `.room-reaper`. */
  dataDir?: string;
  /** Told of errors of the connection, which reconnects by itself. Default: not told. */
  onError?: (error: Error) => void;
}

export interface DestroyOptions {
  /** Wait this long first, in milliseconds. Not together with `at`. */
  delayMs?: number;
  /** Destroy at this time. Not together with `delayMs`. */
  at?: Date;
  /** Before everything else that waits. Default false. */
  urgent?: boolean;
  /**
   * Only a room that was created by then, with a look at it before it is destroyed; another is left alone
   * and ends as `recreated`. A RoomId can be created again.
   */
  onlyCreatedBefore?: Date;
  /** Read its statistics before it is destroyed, so that they are not lost with an answer. Default false. */
  snapshot?: boolean;
}

export interface DestroyManyOptions extends DestroyOptions {
  /**
   * Makes these rooms a batch of this name, which `batch` and the command line know. The list is
   * read whole, into memory, and checked before its first room is added. The same list under the same name, while the
   * batch has not ended, goes on with it. Needs a ledger (`databaseUrl`).
   */
  batch?: string;
  /** Kept with the batch. */
  note?: string;
  /** Who asks; kept with the batch. Default `a service`. */
  by?: string;
  /**
   * A RoomId that is not valid: by default the first one rejects; with this it is told
   * here and skipped.
   */
  onInvalid?: (roomId: string, problem: string) => void;
  /** Told after each call to the queue, 100 rooms. */
  onProgress?: (counts: ManyAdded) => void;
}

export interface ManyAdded {
  requested: number;
  /** New destructions. */
  added: number;
  /** Rooms that had a pending destruction already, from before or from this same call. */
  pending: number;
  /** RoomIds that are not valid. */
  invalid: number;
  /** Of a batch: its id. */
  batchId?: string;
  /** Of a batch that goes on: rooms that have ended already. */
  finished?: number;
}

/** How a batch stands: what `room-reaper status --json` says of it. Times are ISO 8601. */
export interface BatchStatus {
  id: string;
  name: string | undefined;
  total: number;
  /**
   * `enqueuing` until all its rooms are on the queue, `waiting` until the first of them has ended;
   * `finished`, and `cancelled`, for good.
   */
  state: 'enqueuing' | 'waiting' | 'running' | 'finished' | 'cancelled';
  /** Rooms of it that have ended, however. */
  finished: number;
  outcomes: OutcomeCounts;
  /** Rooms of it by where their statistics come from; `lost`: destroyed, and nobody told them. */
  statisticsFrom: SourceCounts;
  by: string | undefined;
  note: string | undefined;
  /** What is done before its rooms are destroyed, where that was asked for; of a replay, each room has a time of its own. */
  onlyCreatedBefore?: string | undefined;
  snapshot?: true | undefined;
  /** Of a replay: the batch that its rooms came from, where it is one, and what chose them. */
  parentId: string | undefined;
  replayOf: string | undefined;
  createdAt: string | undefined;
  finishedAt: string | undefined;
  cancelledAt: string | undefined;
  cancelledBy: string | undefined;
  /** Rooms that ended per second, over the last seconds; undefined where it has ended. */
  ratePerSecond: number | undefined;
  etaSeconds: number | undefined;
  /** In `status --json`, where few rooms are left: which, and why each is not done. */
  lastRooms?: object[] | undefined;
}

/** As of DESTROY_DEADLINE_HOURS. */
const mostDeadlineHours = 24 * 365;

/** Longest delay, in milliseconds: BullMQ cannot order jobs that are due after 2039. */
const mostDelayMs = 5 * 365 * 24 * 3_600_000;

/** A Date before this is one of seconds, in milliseconds since the epoch. */
const firstDateMs = 1e12;

const ofProducer = [
  'queueUrl',
  'prefix',
  'sdkAppId',
  'deadlineHours',
  'databaseUrl',
  'tls',
  'databaseTls',
  'dataDir',
  'onError',
] as const;
const ofDestroy = ['delayMs', 'at', 'urgent', 'onlyCreatedBefore', 'snapshot'] as const;
const ofDestroyMany = [...ofDestroy, 'batch', 'note', 'by', 'onInvalid', 'onProgress'] as const;

/** Longest name, asker and note of a batch, in characters, as of the command line. */
const longest = { batch: 200, by: 200, note: 2_000 } as const;

export function invalid(message: string): ReaperError {
  return new ReaperError('INVALID', message);
}

/** @throws ReaperError `INVALID`. */
export function checkProducerOptions(options: ProducerOptions): void {
  refuseUnknown(options, ofProducer);
  const { sdkAppId, deadlineHours = 24, queueUrl, dataDir = '.room-reaper', onError } = options;
  if (!Number.isInteger(sdkAppId) || sdkAppId < 1 || sdkAppId > 4_294_967_295) {
    throw invalid(`sdkAppId must be a positive integer, got ${shown(sdkAppId)}`);
  }
  const inRange = deadlineHours > 0 && deadlineHours <= mostDeadlineHours;
  if (typeof deadlineHours !== 'number' || !inRange) {
    throw invalid(
      `deadlineHours must be above 0, at most ${mostDeadlineHours} (a year), got ${shown(deadlineHours)}`,
    );
  }
  const problem = storeUrlProblem(typeof queueUrl === 'string' ? queueUrl : '', queueSchemes);
  if (problem !== undefined) throw invalid(`queueUrl ${problem}`);
  const { databaseUrl } = options;
  if (databaseUrl !== undefined) {
    const ofLedger = storeUrlProblem(
      typeof databaseUrl === 'string' ? databaseUrl : '',
      ledgerSchemes,
    );
    if (ofLedger !== undefined) throw invalid(`databaseUrl ${ofLedger}`);
  }
  checkTls('tls', options.tls, 'queueUrl', queueUrl);
  checkTls('databaseTls', options.databaseTls, 'databaseUrl', databaseUrl);
  const { prefix = 'bull' } = options;
  const ofPrefix = keyPrefixProblem(typeof prefix === 'string' ? prefix : '');
  if (ofPrefix !== undefined) throw invalid(`prefix ${ofPrefix}, got ${shown(prefix)}`);
  if (typeof dataDir !== 'string' || dataDir === '') {
    throw invalid(`dataDir must be the path of a directory, got ${shown(dataDir)}`);
  }
  mustBeFunction('onError', onError);
}

/** Certificates beside a URL that leads to no TLS, or to other certificates, would be ignored. */
function checkTls(name: string, tls: unknown, urlName: string, url: string | undefined): void {
  if (tls === undefined) return;
  const problem = tlsProblem(tls);
  if (problem !== undefined) throw invalid(`${name} ${problem}`);
  if (url === undefined || !/^(rediss|postgres)/.test(url)) {
    throw invalid(`${name} must go with a ${urlName} of rediss…:// or postgres://`);
  }
  if (/[?&]ssl/.test(url)) {
    throw invalid(
      `${name} must go with a ${urlName} that has no ssl… behind its ?; keep one of the two`,
    );
  }
}

/** What is asked for, checked. */
interface Asked {
  /** How long to wait, in milliseconds. */
  delayMs: number;
  precautions: Precautions;
}

/** @throws ReaperError `INVALID`. */
export function readDestroyOptions(options: DestroyOptions): Asked {
  refuseUnknown(options, ofDestroy);
  return readAsked(options);
}

/** @throws ReaperError `INVALID`. */
export function readManyOptions(options: DestroyManyOptions): Asked {
  refuseUnknown(options, ofDestroyMany);
  mustBeFunction('onInvalid', options.onInvalid);
  mustBeFunction('onProgress', options.onProgress);
  for (const name of ['batch', 'by', 'note'] as const) {
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '' || value.length > longest[name]) {
      throw invalid(`${name} must be 1–${longest[name]} characters, got ${shown(value)}`);
    }
    if (options.batch === undefined)
      throw invalid(`${name} must have a batch; name it, or leave ${name} out`);
  }
  return readAsked(options);
}

function readAsked(options: DestroyOptions): Asked {
  const delayMs = readDelay(options);
  const { onlyCreatedBefore: before, snapshot } = options;
  if (snapshot !== undefined && typeof snapshot !== 'boolean') {
    throw invalid(`snapshot must be true or false, got ${shown(snapshot)}`);
  }
  if (before === undefined) return { delayMs, precautions: { snapshot } };
  const onlyCreatedBeforeMs = before instanceof Date ? before.getTime() : Number.NaN;
  const problem = Number.isNaN(onlyCreatedBeforeMs)
    ? 'must be a Date'
    : createdBeforeProblem(onlyCreatedBeforeMs, Date.now() + delayMs);
  if (problem === undefined) return { delayMs, precautions: { onlyCreatedBeforeMs, snapshot } };
  throw invalid(`onlyCreatedBefore ${problem}, got ${shown(before)}`);
}

function readDelay({ delayMs, at, urgent }: DestroyOptions): number {
  if (urgent !== undefined && typeof urgent !== 'boolean') {
    throw invalid(`urgent must be true or false, got ${shown(urgent)}`);
  }
  if (delayMs !== undefined && at !== undefined) {
    throw invalid('delayMs and at must not both be given; keep one');
  }
  if (at !== undefined) {
    const isTime = at instanceof Date && at.getTime() >= firstDateMs;
    const untilMs = isTime ? at.getTime() - Date.now() : Number.NaN;
    if (untilMs <= mostDelayMs) return Math.max(0, Math.round(untilMs));
    throw invalid(
      `at must be a Date from 2001 to five years from now, made of milliseconds, got ${shown(at)}`,
    );
  }
  if (delayMs === undefined) return 0;
  if (typeof delayMs === 'number' && delayMs >= 0 && delayMs <= mostDelayMs) {
    return Math.round(delayMs);
  }
  throw invalid(
    `delayMs must be 0 or more milliseconds, got ${shown(delayMs)}; five years are the most`,
  );
}

/** An option that is not known would be ignored: with `delay` for `delayMs`, a room would be destroyed now. */
function refuseUnknown(options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`options must be an object, got ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw invalid(`options must be ${known.join(', ')}, got ${JSON.stringify(printable(name))}`);
  }
}

function mustBeFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw invalid(`${name} must be a function, got ${shown(value)}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(printable(value));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'no time' : value.toISOString();
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
