/**
 * One Postgres session, many connections.
 *
 * PGlite is a single Postgres session. What connections may not see of each other
 * is kept apart here, by running **units**:
 *
 * - A unit is what a client sends up to its Sync (Parse, Bind, Describe, Execute,
 *   Sync) or one simple query. It runs in one go, so that the unnamed statement
 *   of one connection cannot be replaced by another's between Parse and Bind.
 *   (`pglite-socket` 0.2.17 queues single messages and mixes them up:
 *   https://github.com/electric-sql/pglite/issues/1046. That is why it is not used.)
 * - A connection that has begun a transaction holds the session until it commits
 *   or rolls back: transactions run one after another, alone. So
 *   `pg_advisory_xact_lock` is always granted and still excludes; a lock taken
 *   outside a transaction (`pg_advisory_lock`) excludes nobody.
 * - Notifications go to the connections that sent LISTEN.
 *
 * Not kept apart: `SET`, temporary tables, SQL `PREPARE`, `UNLISTEN`.
 *
 * Commits are grouped: Postgres runs with `synchronous_commit = off`, the waiting
 * units of a turn run, then one flush makes their WAL durable, and only then are
 * their replies sent. Nothing is acknowledged that a crash could take back, at one
 * fsync a turn instead of one a commit. The flush is a statement too, and must not
 * run inside a client's transaction: so it runs before a unit that begins one, and
 * replies that are left over wait for the transaction's end.
 */
import { beginsTransaction, readReply } from './unit.js';
import { queryMessage } from './wire.js';

export interface SessionClient {
  /** Whether it sent LISTEN. */
  readonly listening: boolean;
  reply(bytes: Buffer): void;
  /** Ends the connection with an error. */
  end(sqlState: string, message: string): void;
}

interface Unit {
  client: SessionClient | null;
  bytes: Buffer;
  done?: (reply: Buffer) => void;
}

export interface SessionOptions {
  /** Runs a unit in Postgres and returns all that it answered. */
  execute(bytes: Buffer): Buffer;
  /** Told when Postgres stopped answering as it must; it cannot be used any more. */
  broken(reason: string): void;
  /**
   * A transaction that waits so long for its client's next statement is rolled
   * back, because everyone else is standing still. Default 10,000.
   */
  idleInTransactionMs?: number;
}

/** How long a turn may run before the event loop serves the sockets again. */
const TURN_MS = 10;

const FLUSH_WAL = queryMessage(
  `select case when pg_current_wal_insert_lsn() <> pg_current_wal_flush_lsn()
   then pg_logical_emit_message(false, '', '', true) end`,
);
const ROLLBACK = queryMessage('rollback');

export class SharedSession {
  readonly #options: SessionOptions;
  readonly #idleInTransactionMs: number;
  readonly #clients = new Set<SessionClient>();
  #units: Unit[] = [];
  /** Replies of units that may have committed: sent after the next flush. */
  #unflushed: (() => void)[] = [];
  /** The connection that is in a transaction. */
  #holder: SessionClient | null = null;
  #holderTimer: NodeJS.Timeout | undefined;
  #turnPlanned = false;
  #closed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#idleInTransactionMs = options.idleInTransactionMs ?? 10_000;
  }

  join(client: SessionClient): void {
    this.#clients.add(client);
  }

  /** Forgets a connection; its open transaction is rolled back. */
  leave(client: SessionClient): void {
    this.#clients.delete(client);
    this.#units = this.#units.filter((unit) => unit.client !== client);
    if (this.#holder === client && !this.#closed) this.#rollBack();
  }

  submit(client: SessionClient, bytes: Buffer): void {
    this.#units.push({ client, bytes });
    if (client === this.#holder) clearTimeout(this.#holderTimer);
    this.#planTurn();
  }

  /** Runs a unit of our own in its turn, outside any transaction; never answers after `close`. */
  run(bytes: Buffer): Promise<Buffer> {
    return new Promise((done) => {
      this.#units.push({ client: null, bytes, done });
      this.#planTurn();
    });
  }

  /** Ends every connection and runs nothing more. */
  close(): void {
    for (const client of [...this.#clients]) {
      client.end('57P01', 'the embedded database is closing: its process ends; connect again');
    }
    this.#closed = true;
    this.#units = [];
  }

  #planTurn(): void {
    if (this.#turnPlanned || this.#closed) return;
    this.#turnPlanned = true;
    // After the poll phase: all that has arrived by now shares the turn and its flush.
    setImmediate(() => {
      this.#turnPlanned = false;
      if (!this.#closed) this.#turn();
    });
  }

  #turn(): void {
    const until = performance.now() + TURN_MS;
    for (let unit = this.#next(); unit !== undefined; unit = this.#next()) {
      if (this.#unflushed.length > 0 && beginsTransaction(unit.bytes)) this.#flush();
      if (!this.#run(unit)) return;
      if (performance.now() > until) break;
    }
    if (this.#holder === null) this.#flush();
    else this.#watchHolder(this.#holder);
    if (this.#hasNext()) this.#planTurn();
  }

  #hasNext(): boolean {
    return this.#holder === null
      ? this.#units.length > 0
      : this.#units.some((unit) => unit.client === this.#holder);
  }

  #next(): Unit | undefined {
    if (this.#holder === null) return this.#units.shift();
    const index = this.#units.findIndex((unit) => unit.client === this.#holder);
    return index === -1 ? undefined : this.#units.splice(index, 1)[0];
  }

  /** @returns false where Postgres broke */
  #run({ client, bytes, done }: Unit): boolean {
    const { own, notifications, status } = readReply(this.#options.execute(bytes));
    if (status === '') {
      // ReadyForQuery ends every unit. Without it the session is gone (a FATAL error, a trap in WebAssembly).
      this.#closed = true;
      this.#options.broken('the embedded database stopped in the middle of a statement');
      return false;
    }
    const answer = (): void => {
      if (client !== null && this.#clients.has(client)) client.reply(own);
      done?.(own);
      for (const listener of notifications.length > 0 ? this.#clients : []) {
        if (listener.listening) listener.reply(Buffer.concat(notifications));
      }
    };
    if (status === 'I') {
      this.#holder = null;
      this.#unflushed.push(answer);
    } else {
      this.#holder = client;
      answer();
    }
    return true;
  }

  #flush(): void {
    if (this.#unflushed.length === 0) return;
    this.#options.execute(FLUSH_WAL);
    const answers = this.#unflushed;
    this.#unflushed = [];
    for (const answer of answers) answer();
  }

  #watchHolder(holder: SessionClient): void {
    clearTimeout(this.#holderTimer);
    this.#holderTimer = setTimeout(() => {
      if (this.#holder !== holder) return;
      const seconds = this.#idleInTransactionMs / 1000;
      holder.end('25P03', `a transaction must go on within ${seconds} s in the embedded database`);
    }, this.#idleInTransactionMs);
  }

  #rollBack(): void {
    clearTimeout(this.#holderTimer);
    this.#holder = null;
    this.#options.execute(ROLLBACK);
    this.#planTurn();
  }
}
