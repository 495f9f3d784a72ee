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
 * Whose turn it is goes by the time that each connection took (start-time fair queueing, Goyal
 * et al. 1996): before one that asked for a page of a report come all that asked for less. A
 * worker's many short statements so wait for the one that runs, and not for a queue of long ones;
 * who asks for much gets what the others leave, and its share where they leave nothing.
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
import { beginsTransaction, queryMessage, readReply } from './wire.js';

export interface SessionClient {
  /** Whether it sent LISTEN. */
  readonly listening: boolean;
  reply(bytes: Buffer): void;
  /** Ends the connection with an error. */
  end(sqlState: string, message: string): void;
}

interface Unit {
  /** Undefined for a unit of our own. */
  client: SessionClient | undefined;
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
  /** A clock in milliseconds, from anywhere. Default: `performance.now`. */
  now?: () => number;
}

export interface SharedSession {
  join(client: SessionClient): void;
  /** Forgets a connection; its open transaction is rolled back. */
  leave(client: SessionClient): void;
  submit(client: SessionClient, bytes: Buffer): void;
  /** Runs a unit of our own in its turn, outside any transaction; never answers after `close`. */
  run(bytes: Buffer): Promise<Buffer>;
  /** Answers what ran, ends every connection and runs nothing more. */
  close(): void;
}

/** How long a turn may run before the event loop serves the sockets again. */
const turnMs = 10;

const flushWal = queryMessage(
  `select case when pg_current_wal_insert_lsn() <> pg_current_wal_flush_lsn()
   then pg_logical_emit_message(false, '', '', true) end`,
);
const rollback = queryMessage('rollback');

const isOf = (client: SessionClient | undefined) => (unit: Unit) => unit.client === client;

export function createSharedSession(options: SessionOptions): SharedSession {
  const { idleInTransactionMs = 10_000, now = () => performance.now() } = options;
  const clients = new Set<SessionClient>();
  /** Until when each has had its share, on the clock of `servedMs`; not there: it owes nothing. */
  const paidUntil = new Map<SessionClient | undefined, number>();
  /** Time that everybody has had, in milliseconds: goes on with what each connection takes. */
  let servedMs = 0;
  let units: Unit[] = [];
  /** Replies of units that may have committed: sent after the next flush. */
  let unflushed: (() => void)[] = [];
  /** The connection that is in a transaction. */
  let holder: SessionClient | undefined;
  let holderTimer: NodeJS.Timeout | undefined;
  let turnPlanned = false;
  let closed = false;

  function planTurn(): void {
    if (turnPlanned || closed) return;
    turnPlanned = true;
    // After the poll phase: all that has arrived by now shares the turn and its flush.
    setImmediate(() => {
      turnPlanned = false;
      if (!closed) turn();
    });
  }

  function turn(): void {
    const until = now() + turnMs;
    for (let unit = next(); unit !== undefined; unit = next()) {
      if (unflushed.length > 0 && beginsTransaction(unit.bytes)) flush();
      if (!execute(unit)) return;
      if (now() > until) break;
    }
    if (holder === undefined) flush();
    else watch(holder);
    if (hasNext()) planTurn();
  }

  function hasNext(): boolean {
    return holder === undefined ? units.length > 0 : units.some(isOf(holder));
  }

  function next(): Unit | undefined {
    const index = holder === undefined ? fairest() : units.findIndex(isOf(holder));
    return index === -1 ? undefined : units.splice(index, 1)[0];
  }

  /** The first unit of the connection that took least; -1 where none waits. */
  function fairest(): number {
    let best = -1;
    for (const [index, { client }] of units.entries()) {
      if (best === -1 || startOf(client) < startOf(units[best]?.client)) best = index;
    }
    return best;
  }

  /** Who did not ask for a while has saved nothing up. */
  function startOf(client: SessionClient | undefined): number {
    return Math.max(servedMs, paidUntil.get(client) ?? 0);
  }

  /** @returns false where Postgres broke. */
  function execute({ client, bytes, done }: Unit): boolean {
    const beganAt = now();
    const { own, notifications, status } = readReply(options.execute(bytes));
    const paidMs = startOf(client) + now() - beganAt;
    // One in a transaction was not chosen for having had least.
    if (holder === undefined) servedMs = startOf(client);
    paidUntil.set(client, paidMs);
    if (status === '') {
      // ReadyForQuery ends every unit. Without it the session is gone (a FATAL error, a trap in WebAssembly).
      closed = true;
      options.broken('the embedded database stopped in the middle of a statement');
      return false;
    }
    const answer = (): void => {
      if (client !== undefined && clients.has(client)) client.reply(own);
      done?.(own);
      for (const listener of notifications.length > 0 ? clients : []) {
        if (listener.listening) listener.reply(Buffer.concat(notifications));
      }
    };
    if (status === 'I') {
      holder = undefined;
      unflushed.push(answer);
    } else {
      holder = client;
      answer();
    }
    return true;
  }

  function flush(): void {
    if (unflushed.length === 0) return;
    options.execute(flushWal);
    const answers = unflushed;
    unflushed = [];
    for (const answer of answers) answer();
  }

  /** Ends a transaction that does not go on. */
  function watch(client: SessionClient): void {
    clearTimeout(holderTimer);
    holderTimer = setTimeout(() => {
      if (holder !== client) return;
      const seconds = idleInTransactionMs / 1000;
      client.end('25P03', `a transaction must go on within ${seconds} s in the embedded database`);
    }, idleInTransactionMs);
  }

  function rollBack(): void {
    clearTimeout(holderTimer);
    holder = undefined;
    options.execute(rollback);
    planTurn();
  }

  return {
    join(client) {
      clients.add(client);
    },
    leave(client) {
      clients.delete(client);
      paidUntil.delete(client);
      units = units.filter((unit) => unit.client !== client);
      if (holder === client && !closed) rollBack();
    },
    submit(client, bytes) {
      units.push({ client, bytes });
      if (client === holder) clearTimeout(holderTimer);
      planTurn();
    },
    run(bytes) {
      return new Promise((done) => {
        units.push({ client: undefined, bytes, done });
        planTurn();
      });
    },
    close() {
      // What ran is answered, so that what meets the end of its connection was not run.
      if (holder !== undefined) options.execute(rollback);
      flush();
      for (const client of [...clients]) {
        client.end('57P01', 'the embedded database is closing: its process ends; connect again');
      }
      closed = true;
      units = [];
    },
  };
}
