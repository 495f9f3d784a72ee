/** The ledger's database: connection and statements. */
import type pg from 'pg';
import { ReaperError } from '../errors.js';
import { patiently, type Patience } from '../passing.js';
import { openPool } from '../postgres-session.js';
import { describeStoreTrouble, storeTrouble } from '../store-trouble.js';
import { prepareSchema, type Migrated, type SchemaOptions } from './schema.js';

export interface Database {
  /**
   * Runs one statement.
   *
   * @param name - of the statement, unique for its text: it is prepared once per connection.
   * @throws the driver's error.
   */
  query<Row extends pg.QueryResultRow>(
    name: string,
    sql: string,
    parameters: readonly unknown[],
  ): Promise<Row[]>;
  close(): Promise<void>;
}

export interface DatabaseOptions
  extends
    Pick<SchemaOptions, 'connection' | 'shownAs'>,
    Partial<Pick<SchemaOptions, 'onProgress'>> {
  /** Only to look: nothing is made, changed or locked. */
  readOnly?: boolean;
  /** Called for errors of idle connections, which need no action: the pool replaces them. */
  onIdleError?: (error: Error) => void;
  /** How opening is tried again while the server comes and goes. Default: not at all. */
  patience?: Patience;
  /** So is each statement: for commands. A worker knows itself what it tries again, and until when. */
  isPatient?: boolean;
  /**
   * Its statements are those of whoever asks: also behind a pooler the server ends what nobody waits
   * for. There it takes two more round trips a statement, since nothing can be set in a session.
   */
  asksForOthers?: boolean;
  /** How long a statement may take, in milliseconds. Default: half a minute. */
  statementLimitMs?: number;
}

/** Connections of one process to the ledger: reserving, recording, and a few for the rest. */
const poolSize = 4;

/** A server that hangs must not hang the worker: after this the statement is run anew. */
const longestStatementMs = 30_000;

/**
 * What nobody waits for any more ends at the server too, in milliseconds after that: whoever asked
 * for it may have died.
 */
const abandonedMs = 1_000;

/**
 * Connects and, unless it is only to look, brings the schema up to date.
 *
 * @throws ReaperError `UNAVAILABLE` where the database cannot be reached or used, or its schema is
 *   not as this program needs it.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { readOnly = false, statementLimitMs: limitMs = longestStatementMs } = options;
  const statementLimitMs = limitMs + abandonedMs;
  const { pool, isPooled } = openPool(
    {
      max: poolSize,
      query_timeout: limitMs,
      application_name: 'room-reaper',
      ...options.connection,
    },
    (error) => options.onIdleError?.(error),
    { readOnly, statementLimitMs },
  );
  try {
    await prepare(pool, options, readOnly ? 'read' : 'write');
  } catch (error) {
    await pool.end();
    throw unavailable(options.shownAs, error);
  }
  const isLimitedByTransaction = () => isPooled() && options.asksForOthers === true;
  async function runOnce<Row extends pg.QueryResultRow>(
    name: string,
    sql: string,
    parameters: readonly unknown[],
  ): Promise<Row[]> {
    const client = await pool.connect();
    let failure: Error | undefined;
    try {
      const run = async (values: readonly unknown[]) => {
        // What is prepared behind a pooler may be in another session the next time.
        const statement = { text: sql, values: [...values], ...(isPooled() ? {} : { name }) };
        if (!isLimitedByTransaction()) return (await client.query<Row>(statement)).rows;
        await client.query(`begin; set local statement_timeout = ${statementLimitMs}`);
        const { rows } = await client.query<Row>(statement);
        await client.query('commit');
        return rows;
      };
      return await run(parameters).catch(async (error: unknown) => {
        if (!isUntranslatable(error)) throw error;
        if (isLimitedByTransaction()) await client.query('rollback');
        return run(parameters.map(escaped));
      });
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      client.release(failure);
    }
  }
  const patience = (options.isPatient && options.patience) || 0;
  return {
    query: (...statement) => patiently(patience, () => runOnce(...statement)),
    close: () => pool.end(),
  };
}

function prepare(
  pool: pg.Pool,
  options: DatabaseOptions,
  access: SchemaOptions['access'],
): Promise<Migrated> {
  const { onProgress = () => undefined } = options;
  const schema = { ...options, access, onProgress };
  return patiently(options.patience ?? 0, () => prepareSchema(pool, schema));
}

/**
 * Brings the schema up to date, also under workers of an older program: they end in order.
 *
 * @throws ReaperError `UNAVAILABLE`, as `openDatabase` does.
 */
export async function migrateDatabase(options: DatabaseOptions): Promise<Migrated> {
  const { pool } = openPool({ max: 1, ...options.connection }, () => undefined);
  try {
    return await prepare(pool, options, 'migrate');
  } catch (error) {
    throw unavailable(options.shownAs, error);
  } finally {
    await pool.end();
  }
}

/** The database's encoding (LATIN1, say) has no such character, or no text of Postgres can hold it (NUL). */
function isUntranslatable(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === '22P05' || code === '22021';
}

/**
 * The same value in ASCII, with what is beyond it as `\uXXXX`: told so rather than not at all. What
 * is looked for is written in the same way, so it is found.
 */
function escaped<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(escaped) as Value;
  if (typeof value !== 'string') return value;
  const unit = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return value.replace(/[^\u0001-\u007f]/g, unit) as Value;
}

/** The values of a statement that returns one column. */
export async function readColumn<Value>(
  database: Database,
  ...statement: Parameters<Database['query']>
): Promise<Value[]> {
  const rows = await database.query<Record<string, Value>>(...statement);
  return rows.flatMap((row) => Object.values(row));
}

function unavailable(shownAs: string, error: unknown): ReaperError {
  if (error instanceof ReaperError) return error;
  const { code, message } = error as { code?: string; message?: string };
  return new ReaperError(
    'UNAVAILABLE',
    `the ledger at ${shownAs} cannot be used: ${describeStoreTrouble(error, code ?? message ?? 'unknown error', 'Postgres', 'DATABASE_URL')}`,
    { cause: error },
  );
}

/** What a person can do about a database that went away, where its error tells more than that. */
export function remedyFor(error: unknown): string | undefined {
  const { cause, remedy } = storeTrouble(error, 'Postgres', 'DATABASE_URL');
  return cause === undefined ? undefined : `${cause}: ${remedy}`;
}

/** Whether the database refused a statement for the values in it: it will again. */
export function isDataError(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^2[23][0-9A-Z]{3}$/.test(code);
}
