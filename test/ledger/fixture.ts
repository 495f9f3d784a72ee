/** A ledger of a test file's own, and ways to look at it and to let time pass in it. */
import { randomUUID } from 'node:crypto';
import type { PoolConfig } from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { openDatabase, type Database } from '../../src/ledger/database.js';
import { ensureLine, lineId, type LineKey } from '../../src/ledger/line.js';
import type { Outcome } from '../../src/destruction.js';
import type { AttemptEnd, DestructionEnd } from '../../src/ledger/record.js';
import type { ReserveOptions, ReserveResult } from '../../src/ledger/grant.js';
import { reserveSlots, type Reservation, type SlotRequest } from '../../src/ledger/reserve.js';
import { newId } from '../../src/queue/destruction-id.js';
import { createDatabase, freshSdkAppId, withPostgres } from '../support/servers.js';

export interface Ledger {
  readonly url: string;
  readonly database: Database;
  /** Another process that uses the same ledger, until the test's end. */
  another(): Promise<Database>;
  /** Runs one statement of the test's own. */
  sql<Row extends Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
}

export function openLedger(url: string, connection: PoolConfig = {}): Promise<Database> {
  return openDatabase({
    connection: { connectionString: url, ...connection },
    shownAs: 'the test database',
  });
}

/** Connections to which the database's clock stands still, at the time at which this was called. */
async function stopClock(url: string): Promise<PoolConfig> {
  await withPostgres(url, async (client) => {
    const { rows } = await client.query<{ now: string }>('select clock_timestamp()::text as now');
    await client.query('create schema if not exists test_clock');
    await client.query(
      `create or replace function test_clock.clock_timestamp() returns timestamptz
         language sql volatile as $$ select '${rows[0]?.now}'::timestamptz $$`,
    );
  });
  // What stands before pg_catalog is found first.
  return { options: '-c search_path=test_clock,pg_catalog' };
}

/**
 * Call it once, outside of the tests.
 *
 * @param options - `create`: `createFreshDatabase` where what Postgres learnt from other rows would
 *   matter. `clock`: `stopped` where time is to pass by `letPass` alone.
 */
export function useLedger(
  options: { create?: typeof createDatabase; clock?: 'stopped' } = {},
): Ledger {
  const { create = createDatabase, clock } = options;
  let url = '';
  let connection: PoolConfig = {};
  let drop: () => Promise<void> = () => Promise.resolve();
  let database: Database | undefined;
  const others: Database[] = [];

  beforeAll(async () => {
    ({ url, drop } = await create());
    if (clock === 'stopped') connection = await stopClock(url);
    database = await openLedger(url, connection);
  });
  afterEach(async () => {
    await Promise.all(others.splice(0).map((other) => other.close()));
  });
  afterAll(async () => {
    await database?.close();
    await drop();
  });

  function opened(): Database {
    if (database === undefined) throw new Error('the ledger is opened before the first test');
    return database;
  }
  return {
    get url() {
      return url;
    },
    get database() {
      return opened();
    },
    async another() {
      const other = await openLedger(url, connection);
      others.push(other);
      return other;
    },
    async sql<Row extends Record<string, unknown>>(text: string, values: readonly unknown[] = []) {
      return withPostgres(url, async (client) => (await client.query<Row>(text, [...values])).rows);
    },
  };
}

export const intervalMs = 5.1;
export const windowSlots = 200;

export interface Line {
  readonly id: string;
  readonly key: LineKey;
  readonly sdkAppId: number;
  readonly intervalMs: number;
  readonly windowSlots: number;
  /** Reserves as `worker` (default: one and the same). */
  reserve(
    requests: readonly SlotRequest[],
    by?: { worker?: string; database?: Database } & Partial<
      Pick<ReserveOptions, 'leadMs' | 'answeredAtMs' | 'moved' | 'newestSlotMs'>
    >,
  ): Promise<ReserveResult<Reservation>>;
  /** Reserves for one destruction, which must be granted a slot. */
  grant(
    request: SlotRequest,
    by?: { worker?: string; database?: Database },
  ): Promise<Extract<Reservation, { kind: 'granted' }>>;
  /** Moves all that the line's row knows into the past, as if so much time had gone by. */
  letPass(ms: number): Promise<void>;
}

/** A new line. Its first second is over, unless it is `fresh`. */
export async function makeLine(
  ledger: Ledger,
  options: { intervalMs?: number; windowSlots?: number; fresh?: boolean } = {},
): Promise<Line> {
  const key = { host: 'localhost', sdkAppId: freshSdkAppId(), command: 'destroy_room' };
  const { sdkAppId } = key;
  const line = { intervalMs, windowSlots, ...options, id: lineId(key), key, sdkAppId };
  await ensureLine(ledger.database, key, line.intervalMs, line.windowSlots);

  const made: Line = {
    ...line,
    reserve(requests, by = {}) {
      const { worker = 'worker-1', database = ledger.database, leadMs = 0 } = by;
      const reserveOptions: ReserveOptions = {
        lineId: line.id,
        sdkAppId: line.sdkAppId,
        workerId: worker,
        intervalMs: line.intervalMs,
        windowSlots: line.windowSlots,
        leadMs,
        answeredAtMs: by.answeredAtMs,
        moved: by.moved ?? [],
        newestSlotMs: by.newestSlotMs,
      };
      return reserveSlots(database, reserveOptions, requests);
    },
    async grant(slotRequest, by) {
      const [reservation] = (await made.reserve([slotRequest], by)).reservations;
      if (reservation?.kind !== 'granted')
        throw new Error(`expected a slot, got ${JSON.stringify(reservation)}`);
      return reservation;
    },
    async letPass(ms) {
      const past = (column: string) => `${column} = ${column} - $2 * interval '1 millisecond'`;
      await ledger.sql(
        `update room_reaper.lines
            set recent = array(select x - $2::float8 from unnest(recent) with ordinality r (x, n) order by n),
                ${['not_before', 'braked_at', 'stopped_at', 'probe_at', 'answered_at'].map(past).join(', ')}
          where id = $1`,
        [line.id, ms],
      );
    },
  };
  if (options.fresh !== true) await made.letPass(10_000);
  return made;
}

/** A destruction that wants its next slot. */
export function request(changes: Partial<SlotRequest> = {}): SlotRequest {
  const now = Date.now();
  return {
    id: newId(),
    roomId: 'live-room-42',
    batchId: undefined,
    requestedAtMs: now,
    notAfterMs: now + 3_600_000,
    ...changes,
  };
}

export function requests(count: number, changes: Partial<SlotRequest> = {}): SlotRequest[] {
  return Array.from({ length: count }, (_, index) =>
    request({ roomId: `live-room-${index}`, ...changes }),
  );
}

/** The slots granted, in the order of the requests. */
export function slotsOf(result: ReserveResult<Reservation>): number[] {
  return result.reservations.flatMap((each) => (each?.kind === 'granted' ? [each.slotAtMs] : []));
}

export function attemptEnd(changes: Partial<AttemptEnd> = {}): AttemptEnd {
  const now = Date.now();
  return {
    attempt: 1,
    sentAtMs: now - 50,
    endedAtMs: now,
    httpStatus: 200,
    errorCode: 0,
    verdict: 'destroyed',
    reason: 'OK',
    mayHaveActed: true,
    requestId: `request-${randomUUID()}`,
    ...changes,
  };
}

export const statistics = {
  totalViewers: 1_000n,
  totalGiftsSent: 20n,
  totalGiftCoins: 3_000n,
  totalUniqueGiftSenders: 4n,
  totalLikesReceived: 50_000n,
};

export function destructionEnd(
  outcome: Outcome,
  changes: Partial<DestructionEnd> = {},
): DestructionEnd {
  return {
    outcome,
    errorCode: outcome === 'destroyed' ? 0 : 100004,
    errorInfo: undefined,
    requestId: undefined,
    statistics: outcome === 'destroyed' ? statistics : undefined,
    ...changes,
  };
}
