/** BullMQ's tables, where the queue is in Postgres: their version, and bringing them up to date. */
import { LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq';
import pg from 'pg';
import { ReaperError } from '../errors.js';
import { prepareSession } from '../postgres-session.js';
import { describeStoreTrouble } from '../store-trouble.js';
import type { QueueConnection } from './connection.js';

/** The schema that they are in. */
export const schema = 'bullmq';

type Place = Extract<QueueConnection, { kind: 'postgres' }>;

interface Migrated {
  /** undefined: there were none. */
  from: number | undefined;
  to: number;
}

/**
 * What is up to date is only looked at: that needs no right to change tables. A newer version is
 * for BullMQ to judge, which knows whether it can work with it.
 *
 * @param client - looks; what is to be done is done on a connection of its own, without a time limit.
 * @param access - `use`: older ones are brought up to date, and none are made.
 * @throws ReaperError `UNAVAILABLE` where it is only to look and they are not there, or older; the
 *   driver's error where they cannot be made.
 */
export async function prepareTables(
  client: pg.Pool | pg.ClientBase,
  place: Place,
  access: 'read' | 'use' | 'make',
): Promise<Migrated> {
  const from = await readVersion(client);
  if (from !== undefined && from >= LATEST_SCHEMA_VERSION) return { from, to: from };
  if (access === 'read' || (access === 'use' && from === undefined)) {
    throw new ReaperError(
      'UNAVAILABLE',
      from === undefined
        ? `the queue at ${place.shownAs} is not made yet: nothing waits there; run \`room-reaper migrate\`, or start a worker`
        : `the queue at ${place.shownAs} has schema version ${from}, this program needs ${LATEST_SCHEMA_VERSION}; run \`room-reaper migrate\``,
    );
  }
  const own = new pg.Client({
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: 'room-reaper migrate',
    ...place.connection,
  });
  // A server that goes away meanwhile: the statement in hand reports it.
  own.on('error', () => undefined);
  try {
    await own.connect();
    if (place.connection.connectionString !== undefined) await prepareSession(own);
    return { from, to: await runMigrations(own, schema) };
  } finally {
    await own.end().catch(() => undefined);
  }
}

/** undefined: they are not made yet. */
async function readVersion(client: pg.Pool | pg.ClientBase): Promise<number | undefined> {
  const made = await client.query<{ made: boolean }>(
    `select to_regclass('${schema}.migration') is not null as made`,
  );
  if (!made.rows[0]?.made) return undefined;
  const { rows } = await client.query<{ version: number }>(
    `select coalesce(max(version), 0)::int as version from ${schema}.migration`,
  );
  return rows[0]?.version;
}

export function queueUnavailable(shownAs: string, error: unknown): ReaperError {
  if (error instanceof ReaperError) return error;
  const { code, message } = error as { code?: string; message?: string };
  return new ReaperError(
    'UNAVAILABLE',
    `the queue at ${shownAs} cannot be used: ${describeStoreTrouble(error, code ?? message ?? 'unknown error', 'Postgres', 'QUEUE_URL')}`,
    { cause: error },
  );
}

/**
 * Brings them up to date, whoever works there.
 *
 * @throws ReaperError `UNAVAILABLE` where that cannot be done.
 */
export async function migrateQueue(place: Place): Promise<Migrated> {
  const client = new pg.Client({ connectionTimeoutMillis: 10_000, ...place.connection });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await prepareTables(client, place, 'make');
  } catch (error) {
    throw queueUnavailable(place.shownAs, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
