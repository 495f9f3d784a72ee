/** A Postgres that holds the ledger, the queue, or both. Read only: nothing is made or migrated. */
import pg from 'pg';
import { LATEST_SCHEMA_VERSION, MINIMUM_POSTGRES_VERSION } from 'bullmq';
import type { Database } from '../ledger/database.js';
import { latestMigration } from '../ledger/schema.js';
import { prepareSession } from '../postgres-session.js';
import { ok, problem, warning, type Finding } from './finding.js';
import { checkLimitMs } from '../time-limit.js';

/** What is kept there, in a schema of its own. */
export type Use = 'ledger' | 'queue';

const schemas = { ledger: 'room_reaper', queue: 'bullmq' } as const;

/** Tables with the version of the schema. */
const versionTables = {
  ledger: 'room_reaper.migrations',
  queue: 'bullmq.migration',
} as const;

/** Version of the schema that this program works with. */
export function newestVersion(use: Use): number {
  return use === 'ledger' ? latestMigration() : LATEST_SCHEMA_VERSION;
}

export interface PostgresFacts {
  version: string;
  versionNumber: number;
  maxConnections: number;
  /** Kept for superusers. */
  reservedConnections: number;
  usedConnections: number;
  autovacuum: boolean;
  fsync: boolean;
  synchronousCommit: string;
  standby: boolean;
  /** Standbys that replicate it now, by whether a commit waits for them; 0 where this user may not see them. */
  standbys: { synchronous: number; asynchronous: number };
  readOnly: boolean;
  /** Behind a pooler, which may give each transaction another session. */
  pooled: boolean;
  encoding: string;
  mayCreateSchemas: boolean;
  /** Newest migration applied; undefined: not made yet. */
  schemaVersion: number | undefined;
  /** Whether this user may read and write all its tables; true where there are none yet. */
  mayUseTables: boolean;
  /** Whether this user may read all its tables. */
  mayReadTables: boolean;
  roundTripMs: number;
  /** The database's clock minus this machine's, in milliseconds, to within half a round trip. */
  clockOffsetMs: number;
}

export interface PostgresSession {
  database: Database;
  facts: PostgresFacts;
}

/** No parameters. One row. */
const settingsSql = `
select current_setting('server_version') as version,
       current_setting('server_version_num')::int as version_number,
       current_setting('max_connections')::int as max_connections,
       current_setting('superuser_reserved_connections')::int as reserved_connections,
       (select count(*)::int from pg_stat_activity where backend_type = 'client backend') as used_connections,
       current_setting('autovacuum') = 'on' as autovacuum, current_setting('fsync') = 'on' as fsync,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('server_encoding') as encoding,
       pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only,
       has_database_privilege(current_database(), 'CREATE') as may_create_schemas`;

/**
 * $1 schema. One row where the schema exists. Reads catalogues only, which everyone may: what the
 * user may not do is the answer, not an error.
 */
const rightsSql = `
select has_schema_privilege(n.oid, 'USAGE') and coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), true) as may_read_tables,
       coalesce(bool_and(has_table_privilege(c.oid, 'INSERT') and has_table_privilege(c.oid, 'UPDATE')
         and has_table_privilege(c.oid, 'DELETE')), true) as may_write_tables,
       count(c.oid)::int as tables
  from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relkind = 'r'
 where n.nspname = $1 group by n.oid`;

/**
 * No parameters. One row. Who may not see more than that somebody replicates (no pg_monitor) sees
 * no state. What replicates logically, or only keeps the log, is no standby to fail over to.
 */
const standbysSql = `
select count(*) filter (where r.sync_state in ('sync', 'quorum'))::int as synchronous,
       count(*) filter (where r.sync_state in ('async', 'potential'))::int as asynchronous
  from pg_stat_replication r
 where r.state in ('streaming', 'catchup') and r.application_name <> 'pg_receivewal'
   and not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')`;

const clockSql = `select extract(epoch from clock_timestamp())::float8 * 1000 as now`;

interface SettingsRow {
  version: string;
  version_number: number;
  max_connections: number;
  reserved_connections: number;
  used_connections: number;
  autovacuum: boolean;
  fsync: boolean;
  synchronous_commit: string;
  encoding: string;
  standby: boolean;
  read_only: boolean;
  may_create_schemas: boolean;
}

/**
 * Looks at a Postgres over one connection.
 *
 * @throws the driver's error where it cannot be used.
 */
export async function openPostgres(
  connection: pg.ClientConfig,
  use: Use,
): Promise<PostgresSession> {
  const client = new pg.Client({
    connectionTimeoutMillis: checkLimitMs,
    query_timeout: checkLimitMs,
    application_name: 'room-reaper doctor',
    ...connection,
  });
  // A server that goes away meanwhile: the query in hand reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const direct = connection.connectionString === undefined || (await prepareSession(client));
    const facts = { ...(await readFacts(client, use)), pooled: !direct };
    const database: Database = {
      async query<Row extends pg.QueryResultRow>(
        _name: string,
        sql: string,
        parameters: readonly unknown[],
      ) {
        return (await client.query<Row>(sql, [...parameters])).rows;
      },
      close: () => client.end(),
    };
    return { database, facts };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

async function readFacts(client: pg.Client, use: Use): Promise<Omit<PostgresFacts, 'pooled'>> {
  const clock = await readClock(client);
  const settings = (await client.query<SettingsRow>(settingsSql)).rows[0];
  if (settings === undefined) throw new Error('a select without a table gave no row');
  const rights = (
    await client.query<
      Record<'may_read_tables' | 'may_write_tables', boolean> & { tables: number }
    >(rightsSql, [schemas[use]])
  ).rows[0];
  const mayReadTables = rights?.may_read_tables ?? true;
  const mayUseTables = mayReadTables && (rights?.may_write_tables ?? true);
  let schemaVersion: number | undefined;
  if (rights !== undefined && rights.tables > 0 && mayReadTables) {
    const { rows } = await client.query<{ version: number | null }>(
      `select max(version)::int as version from ${versionTables[use]}`,
    );
    schemaVersion = rows[0]?.version ?? undefined;
  }
  return {
    version: settings.version,
    versionNumber: settings.version_number,
    maxConnections: settings.max_connections,
    reservedConnections: settings.reserved_connections,
    usedConnections: settings.used_connections,
    autovacuum: settings.autovacuum,
    fsync: settings.fsync,
    synchronousCommit: settings.synchronous_commit,
    standby: settings.standby,
    standbys: await readStandbys(client),
    readOnly: settings.read_only,
    encoding: settings.encoding,
    mayCreateSchemas: settings.may_create_schemas,
    schemaVersion,
    mayUseTables,
    mayReadTables,
    ...clock,
  };
}

/** What speaks like Postgres may not know this. */
async function readStandbys(client: pg.Client): Promise<PostgresFacts['standbys']> {
  const none = { synchronous: 0, asynchronous: 0 };
  const found = client.query<PostgresFacts['standbys']>(standbysSql);
  return (await found.catch(() => undefined))?.rows[0] ?? none;
}

/** The fastest of a few round trips tells both best. */
async function readClock(
  client: pg.Client,
): Promise<{ roundTripMs: number; clockOffsetMs: number }> {
  let best = { roundTripMs: Number.POSITIVE_INFINITY, clockOffsetMs: 0 };
  for (let tries = 0; tries < 4; tries++) {
    const from = performance.now();
    const { rows } = await client.query<{ now: number }>(clockSql);
    const roundTripMs = performance.now() - from;
    const clockOffsetMs = (rows[0]?.now ?? 0) - (Date.now() - roundTripMs / 2);
    if (roundTripMs < best.roundTripMs) best = { roundTripMs, clockOffsetMs };
  }
  return best;
}

/** A round trip from which on slots are missed (docs/architecture.md, "The limiter"), in milliseconds. */
const slowRoundTripMs = 100;

/** What one worker may need: 4 for the ledger, 16 for a queue in Postgres. */
const neededConnections = { ledger: 4, queue: 16 } as const;

/**
 * @param shownAs - its URL without a password.
 * @param embedded - the embedded database looks after some of it by itself.
 */
export function judgePostgres(
  facts: PostgresFacts,
  use: Use,
  shownAs: string,
  embedded: boolean,
): Finding[] {
  return [
    ok(`${shownAs} answers in ${facts.roundTripMs.toFixed(1)} ms, Postgres ${facts.version}`),
    ...judgeServer(facts),
    ...judgeSession(facts, use),
    ...judgeSchema(facts, use),
    ...(embedded ? [] : judgeSettings(facts, use)),
  ];
}

function* judgeServer(facts: PostgresFacts): Generator<Finding> {
  if (facts.versionNumber < MINIMUM_POSTGRES_VERSION * 10_000) {
    yield problem(
      `Postgres must be ${MINIMUM_POSTGRES_VERSION} or later, got ${facts.version}`,
      'upgrade it',
    );
  }
  if (facts.standby) {
    yield problem('it is a read-only standby', 'set the URL to the primary');
  } else if (facts.readOnly) {
    yield problem(
      'its sessions are read only',
      'unset default_transaction_read_only for this user and database',
    );
  }
  if (facts.roundTripMs > slowRoundTripMs) {
    yield warning(
      `a round trip takes ${Math.round(facts.roundTripMs)} ms, so that slots are missed and the rate stays low`,
      'run workers near the database',
    );
  }
}

function* judgeSession({ pooled, encoding }: PostgresFacts, use: Use): Generator<Finding> {
  if (pooled && use === 'queue') {
    yield warning(
      'it is behind a pooler: in transaction mode the queue cannot be used there (it listens for new jobs)',
      'set QUEUE_URL to the server itself, or to a pooler in session mode',
    );
  } else if (pooled) {
    yield ok(
      'it is behind a pooler: no statement is prepared, and what the role sets for its sessions counts',
    );
  }
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return;
  yield use === 'queue'
    ? problem(
        `the database's encoding must be UTF8 for a queue, got ${encoding}`,
        'make a database with encoding UTF8 for it, or set QUEUE_URL to a Redis',
      )
    : warning(
        `the database's encoding is ${encoding}: text that it cannot hold is stored as \\uXXXX`,
        'make the database with encoding UTF8 to have it as it is',
      );
}

function* judgeSchema(facts: PostgresFacts, use: Use): Generator<Finding> {
  const schema = schemas[use];
  const newest = newestVersion(use);
  const { schemaVersion } = facts;
  if (!facts.mayReadTables) {
    yield problem(
      `this user may not read and write all tables of the schema ${schema}`,
      'give it the rights of a worker, or of a reader: "Rights" in docs/operations.md',
    );
    return;
  }
  if (!facts.mayUseTables) {
    yield warning(
      `this user may only read the schema ${schema}: enough to look, not to work`,
      'give it the rights of a worker where it is to work: "Rights" in docs/operations.md',
    );
  }
  if (schemaVersion === undefined) {
    yield facts.mayCreateSchemas
      ? ok(`schema ${schema} is not made yet; the first program that uses it makes it`)
      : problem(
          `schema ${schema} is not made yet, and this user may not create schemas in the database`,
          'run `room-reaper migrate` as a user who may: "Rights" in docs/operations.md',
        );
  } else if (schemaVersion > newest) {
    yield problem(
      `schema ${schema} has version ${schemaVersion}, this program knows ${newest}`,
      'run the newer room-reaper that made it',
    );
  } else if (schemaVersion < newest) {
    yield warning(
      `schema ${schema} has version ${schemaVersion}, this program needs ${newest}`,
      'run `room-reaper migrate`, and start the workers of this version',
    );
  } else {
    yield ok(`schema ${schema} is at version ${schemaVersion}`);
  }
}

function* judgeSettings(facts: PostgresFacts, use: Use): Generator<Finding> {
  const free = facts.maxConnections - facts.reservedConnections - facts.usedConnections;
  const needed = neededConnections[use];
  const connections = `${Math.max(0, free)} of ${facts.maxConnections} connections are free`;
  yield free < needed
    ? warning(
        `${connections}; a worker takes up to ${needed}`,
        'raise max_connections, or run fewer programs on this server',
      )
    : ok(connections);
  if (use === 'ledger' && !facts.autovacuum) {
    yield warning(
      'autovacuum is off: the row of the limiter is updated many times a second and would grow slow',
      'set autovacuum on',
    );
  }
  if (!facts.fsync || facts.synchronousCommit === 'off') {
    yield warning(
      `${facts.fsync ? 'synchronous_commit' : 'fsync'} is off: results of the last moments are lost when the server crashes, and statistics are told once only`,
      'set it on',
    );
  }
  yield* judgeStandbys(facts, use);
}

/** What a failover to a standby that lacks the newest commits takes with it. */
const lostByFailover = {
  ledger:
    'results of the last moments, and statistics are told once only; what was sent in the last second is forgotten too',
  queue: 'the newest rooms that were asked for',
} as const;

function* judgeStandbys(
  { standbys, synchronousCommit }: PostgresFacts,
  use: Use,
): Generator<Finding> {
  const { synchronous, asynchronous } = standbys;
  // That it is off is told by itself.
  const waits = synchronous > 0 && synchronousCommit !== 'local';
  if (waits || synchronous + asynchronous === 0) return;
  const why =
    synchronous > 0
      ? 'synchronous_commit is local, so that no commit waits for a standby'
      : 'it is replicated asynchronously only';
  yield warning(
    `${why}: a failover may lose ${lostByFailover[use]} (docs/guarantees.md)`,
    synchronous > 0
      ? 'set synchronous_commit on for this user and database'
      : 'set synchronous_standby_names at the server, such as ANY 1 (*), or stop all workers before a failover that is planned',
  );
}
