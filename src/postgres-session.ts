/**
 * Connections to a Postgres as it is. Roles, databases and URLs can set what a session begins with
 * (serializable, read only, fewer digits of numbers, another search path), so what ours need is
 * set in each session.
 *
 * A pooler between us and the server (pgbouncer, pgcat, a provider's) may give each transaction
 * another session: nothing can be set in it then, and no statement prepared. It is recognised by
 * the process id that it tells: it is not that of the server's process.
 */
import pg from 'pg';
import { ReaperError } from './errors.js';
import { patiently, type Patience } from './passing.js';

const settings: Readonly<Record<string, string>> = {
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // Statements are short and many: to compile one takes longer than it saves.
  jit: 'off',
};

/** $1 names, $2 values, $3 the process id that we were told. Sets nothing where that is another. */
const setSql = `
select pg_backend_pid() = $3 as direct,
       (select count(set_config(s.name, n.value, false))
          from unnest($1::text[], $2::text[]) as n (name, value) join pg_settings s on s.name = n.name
         where s.setting <> n.value and pg_backend_pid() = $3)`;

/** No parameters. */
const pidSql = 'select pg_backend_pid() as pid';

export interface SessionNeeds {
  /** Schema of unqualified names: its user needs a session that is its own. */
  searchPath?: string;
  /** How `query` of the pool is tried again. Default: not at all. */
  patience?: Patience | undefined;
  /** Nothing can be written by mistake. */
  readOnly?: boolean;
  /** The server ends a statement that takes longer, in milliseconds. Default: it ends none. */
  statementLimitMs?: number;
}

/**
 * @param pid - the process of the session; default: what the client was told.
 * @returns whether the session is our own; false: a pooler lends it, and nothing is set in it.
 */
export async function prepareSession(
  client: pg.ClientBase,
  { searchPath, readOnly = false, statementLimitMs = 0 }: SessionNeeds = {},
  pid = (client as pg.ClientBase & { processID: number | null }).processID,
): Promise<boolean> {
  const wanted = {
    ...settings,
    statement_timeout: String(statementLimitMs),
    default_transaction_read_only: readOnly ? 'on' : 'off',
    ...(searchPath === undefined ? {} : { search_path: searchPath }),
  };
  const values = [Object.keys(wanted), Object.values(wanted), pid ?? 0];
  return (await client.query<{ direct: boolean }>(setSql, values)).rows[0]?.direct ?? false;
}

/**
 * Prepares a session behind a pooler, where it is ours for as long as the connection lasts.
 *
 * @throws ReaperError `UNAVAILABLE` where it is not: while another connection is in a transaction
 *   in it, it was not kept for this one.
 */
async function prepareBehindPooler(
  client: pg.ClientBase,
  config: pg.PoolConfig,
  needs: SessionNeeds,
): Promise<void> {
  const pid = await readPid(client);
  const other = new pg.Client(config);
  other.on('error', () => undefined);
  try {
    await other.connect();
    await other.query('begin');
    if ((await readPid(other)) === pid) {
      throw new ReaperError(
        'UNAVAILABLE',
        'a queue in Postgres must have sessions of its own, got a pooler in transaction mode (it listens for new jobs); set QUEUE_URL to the server itself. The ledger can stay behind the pooler',
      );
    }
  } finally {
    await other.end().catch(() => undefined);
  }
  await prepareSession(client, needs, pid);
}

async function readPid(client: pg.ClientBase): Promise<number> {
  return (await client.query<{ pid: number }>(pidSql)).rows[0]?.pid ?? 0;
}

export interface PostgresPool {
  pool: pg.Pool;
  /** Whether a pooler was seen. Known once a connection is made. */
  readonly isPooled: () => boolean;
}

/** @param onError - told of idle connections that break: the pool replaces them. */
export function openPool(
  config: pg.PoolConfig,
  onError: (error: Error) => void,
  needs: SessionNeeds = {},
): PostgresPool {
  // The embedded database is always as it is needed, and all of its sessions are one.
  const { connectionString } = config;
  let pooled = false;
  const pool = new pg.Pool({
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    // By itself the system begins after two hours: what lies between forgets an idle connection
    // sooner, and BullMQ waits on one for news of new jobs.
    keepAliveInitialDelayMillis: 10_000,
    ...config,
    // The pool waits for it; its types are older.
    async onConnect(client) {
      if (connectionString === undefined || (await prepareSession(client, needs))) return;
      pooled = true;
      if (needs.searchPath !== undefined) await prepareBehindPooler(client, config, needs);
    },
  });
  pool.on('error', (error) => {
    // The pool says that it has ended before its connections have.
    if (!pool.ending) onError(error);
  });
  // One that is lent out has no listener of the pool's: without one, a server that ends the
  // connection would end the process. Whoever uses it learns it from its statement.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const { patience } = needs;
  if (patience !== undefined) {
    const once = pool.query.bind(pool) as (...statement: unknown[]) => Promise<unknown>;
    const patient = (...statement: unknown[]) => patiently(patience, () => once(...statement));
    pool.query = patient as typeof pool.query;
  }
  return { pool, isPooled: () => pooled };
}
