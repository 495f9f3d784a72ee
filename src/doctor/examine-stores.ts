/** The queue and the ledger, wherever they are, and what they say of the line. */
import type { InspectedConfig } from '../config.js';
import { ReaperError } from '../errors.js';
import { readFailingDeliveries, type FailingDeliveries } from '../ledger/events.js';
import { readLedgerId } from '../ledger/identity.js';
import { readHaltedReads, readLines } from '../ledger/line.js';
import { readLastEvent } from '../ledger/room-events.js';
import { readWorkers } from '../ledger/workers.js';
import { slotInterval } from '../limiter/pace.js';
import type { QueueConnection } from '../queue/connection.js';
import { openQueue } from '../queue/open.js';
import { printable, withoutPassword } from '../redact.js';
import { openStores, type Stores } from '../stores.js';
import { isRedisUrl } from '../store-url.js';
import { judgeDataDirectory, readDataDirectory } from './data-directory.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { readWaiting, type LineFacts, type WaitingFacts } from './line.js';
import {
  judgePostgres,
  newestVersion,
  openPostgres,
  type PostgresSession,
  type Use,
} from './postgres.js';
import { judgeRedis, readRedis } from './redis.js';
import { storeTrouble, type StoreKind } from '../store-trouble.js';
import { patiently } from '../passing.js';
import { checkLimitMs, embeddedLimitMs, reasonOf, within } from '../time-limit.js';

export interface ExaminedStores {
  embedded: Finding[];
  queue: Finding[];
  ledger: Finding[];
  ledgerOffsetMs: number | undefined;
  line: LineFacts;
  /** Of notifications; undefined: none fails, or there is no ledger to ask. */
  deliveries: FailingDeliveries | undefined;
  /** When the API last told of a room that ended, in milliseconds since the epoch. */
  lastRoomEventMs: number | undefined;
}

export async function examineStores({ config }: InspectedConfig): Promise<ExaminedStores> {
  const { queueUrl, databaseUrl, dataDir } = config;
  const usesEmbedded = queueUrl === 'embedded' || databaseUrl === 'embedded';
  const embedded = usesEmbedded ? await openEmbeddedIfMade(dataDir) : notNeeded;
  try {
    const [queue, ledger] = await Promise.all([
      examineQueue(config, embedded),
      examineLedger(config, embedded),
    ]);
    const { ledgerId } = queue;
    if (ledgerId !== undefined && ledger.wasSeen && ledger.id !== ledgerId)
      queue.findings.push(ofAnotherLedger);
    return {
      embedded: embedded.findings,
      queue: queue.findings,
      ledger: ledger.findings,
      ledgerOffsetMs: ledger.clockOffsetMs,
      line: { ...ledger.line, waiting: queue.waiting },
      deliveries: ledger.deliveries,
      lastRoomEventMs: ledger.lastRoomEventMs,
    };
  } finally {
    await within(checkLimitMs, embedded.stores?.close() ?? Promise.resolve()).catch(
      () => undefined,
    );
  }
}

interface Embedded {
  findings: Finding[];
  /** undefined: not open. */
  stores: Stores | undefined;
  /** What to say of the queue and the ledger in it then. */
  otherwise: Finding;
}

const notOpened = warning(
  'it is the embedded database, which could not be opened (see "embedded")',
);
const notMade = ok('it will be the embedded database');
const notNeeded: Embedded = { findings: [], stores: undefined, otherwise: notMade };

/** The embedded database, where there is one; examining must not be what makes it. */
async function openEmbeddedIfMade(dataDir: string | undefined): Promise<Embedded> {
  if (dataDir === undefined) {
    const wrong = warning('not looked at: ROOM_REAPER_DATA_DIR is wrong');
    return { findings: [wrong], stores: undefined, otherwise: notOpened };
  }
  const facts = readDataDirectory(dataDir);
  const findings = [judgeDataDirectory(facts, printable(dataDir))];
  const isClosed = facts.stranger?.mayJoin === false || facts.cannotWrite !== undefined;
  if (isClosed) return { findings, stores: undefined, otherwise: notOpened };
  if (!facts.made) return { findings, stores: undefined, otherwise: notMade };
  const places = { queueUrl: 'embedded', databaseUrl: 'embedded', dataDir };
  try {
    const opening = openStores(places, () => undefined);
    const stores = await within(embeddedLimitMs, opening);
    return { findings, stores, otherwise: notOpened };
  } catch (error) {
    const text = error instanceof ReaperError ? error.message : reasonOf(error);
    findings.push(
      problem(
        `the embedded database cannot be opened: ${printable(text, 500)}`,
        'look at the other processes that use this directory',
      ),
    );
    return { findings, stores: undefined, otherwise: notOpened };
  }
}

const ofAnotherLedger = problem(
  'it belongs to another ledger than that of DATABASE_URL: no worker starts, for two ledgers would each use the whole quota',
  'set DATABASE_URL as the other workers have it; if the queue is to go on with this ledger, stop all workers and run `room-reaper migrate --adopt-queue`',
);

interface ExaminedQueue {
  findings: Finding[];
  waiting: WaitingFacts | undefined;
  /** The id of the ledger that it belongs to, where it knows one. */
  ledgerId?: string | undefined;
}

async function examineQueue(
  { queueUrl, queuePrefix, sdkAppId }: InspectedConfig['config'],
  embedded: Embedded,
): Promise<ExaminedQueue> {
  if (queueUrl === undefined) {
    return { findings: [warning('not looked at: QUEUE_URL is wrong')], waiting: undefined };
  }
  const findings: Finding[] = [];
  let usable = false;
  let connection: QueueConnection;
  if (queuePrefix === undefined) {
    return { findings: [warning('not looked at: QUEUE_PREFIX is wrong')], waiting: undefined };
  }
  if (isRedisUrl(queueUrl)) {
    connection = { kind: 'redis', url: queueUrl, prefix: queuePrefix };
    const shownAs = withoutPassword(queueUrl);
    try {
      const facts = await within(checkLimitMs, readRedis(connection));
      findings.push(...judgeRedis(facts, shownAs));
      usable = true;
    } catch (error) {
      findings.push(unusable('Redis', shownAs, error, 'QUEUE_URL'));
    }
  } else {
    const place = placeOf(queueUrl, embedded.stores);
    if (place === undefined) return { findings: [embedded.otherwise], waiting: undefined };
    connection = { kind: 'postgres', ...place };
    const session = await examinePostgres(place, 'queue', queueUrl === 'embedded', findings);
    await session?.database.close().catch(() => undefined);
    // Opening the queue would bring its tables up to date: that is for a worker to do.
    usable = session !== undefined && isCurrent(session, 'queue');
  }
  if (!usable || sdkAppId === undefined) return { findings, waiting: undefined };
  try {
    return { findings, ...(await within(checkLimitMs, lookAtQueue(connection, sdkAppId))) };
  } catch {
    return { findings, waiting: undefined };
  }
}

async function lookAtQueue(
  connection: QueueConnection,
  sdkAppId: number,
): Promise<Omit<ExaminedQueue, 'findings'>> {
  const opened = await openQueue({
    sdkAppId,
    connection,
    readOnly: true,
    isPatient: true,
    onError: () => undefined,
  });
  try {
    const waiting = { ...(await readWaiting(opened.queue)), pause: await opened.pause.read() };
    return { waiting, ledgerId: await opened.ledger.read() };
  } finally {
    await opened.close();
  }
}

interface ExaminedLedger {
  line: Pick<LineFacts, 'lines' | 'haltedReads' | 'workers'>;
  deliveries?: FailingDeliveries | undefined;
  lastRoomEventMs?: number | undefined;
  findings: Finding[];
  clockOffsetMs: number | undefined;
  /** Whether it answered. */
  wasSeen: boolean;
  /** undefined: nobody has used it yet. */
  id: string | undefined;
}

async function examineLedger(
  config: InspectedConfig['config'],
  embedded: Embedded,
): Promise<ExaminedLedger> {
  const nothing = {
    ...{ clockOffsetMs: undefined, wasSeen: false, id: undefined },
    line: { lines: undefined, haltedReads: [], workers: [] },
  };
  const { databaseUrl } = config;
  if (databaseUrl === undefined) {
    return { ...nothing, findings: [warning('not looked at: DATABASE_URL is wrong')] };
  }
  const place = placeOf(databaseUrl, embedded.stores);
  if (place === undefined) return { ...nothing, findings: [embedded.otherwise] };
  const findings: Finding[] = [];
  const session = await examinePostgres(place, 'ledger', databaseUrl === 'embedded', findings);
  if (session === undefined) return { ...nothing, findings };
  const { clockOffsetMs } = session.facts;
  try {
    if (!isCurrent(session, 'ledger')) {
      const wasSeen = session.facts.mayReadTables;
      return { ...nothing, findings, clockOffsetMs, wasSeen };
    }
    const line = await within(checkLimitMs, readLineFacts(config, session));
    const { database } = session;
    const id = await within(checkLimitMs, readLedgerId(database));
    const deliveries = await within(
      checkLimitMs,
      readFailingDeliveries(database, config.sdkAppId ?? 0),
    );
    const lastRoomEventMs = await within(
      checkLimitMs,
      readLastEvent(database, config.sdkAppId ?? 0),
    );
    const told = { deliveries, lastRoomEventMs };
    return { findings, clockOffsetMs, line, ...told, wasSeen: true, id };
  } catch {
    return { ...nothing, findings, clockOffsetMs };
  } finally {
    await session.database.close().catch(() => undefined);
  }
}

async function readLineFacts(
  { sdkAppId, rateLimitPerSecond, arrivalJitterMs }: InspectedConfig['config'],
  { database }: PostgresSession,
): Promise<ExaminedLedger['line']> {
  if (sdkAppId === undefined || rateLimitPerSecond === undefined || arrivalJitterMs === undefined)
    return { lines: undefined, haltedReads: [], workers: [] };
  return {
    lines: await readLines(database, sdkAppId, slotInterval(rateLimitPerSecond, arrivalJitterMs)),
    haltedReads: await readHaltedReads(database, sdkAppId),
    workers: await readWorkers(database, sdkAppId),
  };
}

/** Its tables are there, at this program's version, and may be used. */
function isCurrent({ facts }: PostgresSession, use: Use): boolean {
  return facts.mayReadTables && facts.schemaVersion === newestVersion(use);
}

type Place = Omit<Extract<QueueConnection, { kind: 'postgres' }>, 'kind'>;

/** undefined: the embedded database, which is not open. */
function placeOf(url: string, embedded: Stores | undefined): Place | undefined {
  if (url !== 'embedded') {
    return { connection: { connectionString: url }, shownAs: withoutPassword(url) };
  }
  if (embedded?.queue.kind !== 'postgres') return undefined;
  return embedded.queue;
}

/** Adds what it finds to `findings`. @returns a session to ask more, where there is one. */
async function examinePostgres(
  place: Place,
  use: Use,
  embedded: boolean,
  findings: Finding[],
): Promise<PostgresSession | undefined> {
  try {
    const { connection, patience = 0 } = place;
    const session = await within(
      embedded ? embeddedLimitMs : checkLimitMs,
      patiently(patience, () => openPostgres(connection, use)),
    );
    findings.push(...judgePostgres(session.facts, use, place.shownAs, embedded));
    return session;
  } catch (error) {
    const variable = use === 'ledger' ? 'DATABASE_URL' : 'QUEUE_URL';
    findings.push(unusable('Postgres', place.shownAs, error, variable));
    return undefined;
  }
}

function unusable(kind: StoreKind, shownAs: string, error: unknown, variable: string): Finding {
  const { cause, remedy } = storeTrouble(error, kind, variable);
  const why = cause === undefined ? '' : ` (${cause})`;
  return problem(`${kind} at ${shownAs} cannot be used${why}: ${reasonOf(error)}`, remedy);
}
