/**
 * The embedded database: Postgres in WebAssembly, in a thread of one process, used
 * by every process of the machine that opens the same data directory.
 *
 * The first process owns the directory and runs the database; later ones join it
 * (claim.ts). When the owner goes, its connections break as they do when a Postgres
 * server restarts, and one of those that had joined becomes the owner, at the same
 * address, within a second or so. The same happens when the thread breaks down.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { claimDirectory, type Ownership } from './claim.js';
import { explain, prepareDataDirectory, prepareDatabase } from './directory.js';
import {
  loopbackConnection,
  socketConnection,
  socketPath,
  type EmbeddedConnection,
} from './endpoint.js';
import type { GuardContact } from './guard.js';
import { serveDatabase, type DatabaseThread } from './thread-host.js';
import { ReaperError } from '../errors.js';

export interface EmbeddedDatabase {
  /** For `new pg.Pool({ ...connection, max })`. Every process of this machine can use it. */
  readonly connection: EmbeddedConnection;
  /** Whether this process runs the database now; one that joined may become the owner. */
  readonly role: 'owner' | 'joined';
  /** End the pools first. The owner closes the database: nothing committed is lost. */
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Told what its user should know: memory needs, joining, taking over, breakdowns. */
  onNotice?(message: string): void;
}

/** Holding the database, as owner or joined, until it is over. */
interface Hold {
  role: EmbeddedDatabase['role'];
  connection: EmbeddedConnection;
  /** Resolves with the reason when it is over without `end`. */
  over: Promise<string>;
  end(): Promise<void>;
}

/** Between attempts to take the database again; doubles. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;

/** How long another process may take to open the database; the first time takes 3–10 s. */
const OPENING_MS = 120_000;

/**
 * Opens the embedded database in `dataDir`, or joins the process that has it open.
 *
 * @throws ReaperError `UNAVAILABLE`, with what to do, where neither is possible
 */
export async function openEmbedded(
  dataDir: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedDatabase> {
  const directory = resolve(dataDir);
  const notice = (message: string): void => options.onNotice?.(message);
  prepareDataDirectory(directory);
  let hold = await take(directory, notice);
  const { connection } = hold;
  const stop = new AbortController();
  const kept = keep();

  return {
    connection,
    get role() {
      return hold.role;
    },
    async close() {
      stop.abort();
      await hold.end();
      await kept;
    },
  };

  /** Takes the database again whenever its holder has gone. */
  async function keep(): Promise<void> {
    for (;;) {
      const reason = await hold.over;
      if (stop.signal.aborted) return;
      notice(`the embedded database is away: ${reason}`);
      const next = await takeAgain();
      if (next === null) return;
      hold = next;
      if (next.connection.port !== connection.port) {
        notice('the embedded database has moved to another port; restart this process to reach it');
      }
    }
  }

  /** Null where it is closed meanwhile. */
  async function takeAgain(): Promise<Hold | null> {
    let said = '';
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)) {
      try {
        const next = await take(directory, notice);
        if (!stop.signal.aborted) return next;
        await next.end();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== said) notice(message);
        said = message;
        // Does not keep the process running: its own work does, or nothing.
        await sleep(retryMs, null, { ref: false, signal: stop.signal }).catch(() => null);
      }
      if (stop.signal.aborted) return null;
    }
  }
}

async function take(dataDir: string, notice: (message: string) => void): Promise<Hold> {
  try {
    for (;;) {
      const claim = await claimDirectory(dataDir);
      if (claim.kind === 'owned') return await own(dataDir, claim, notice);
      const { contact } = claim;
      const announced = await connectionOf(contact, dataDir);
      if (announced === null) continue; // Its owner went while opening: perhaps it is our turn.
      // Its owner may see the directory under another path.
      const onSocket = announced.password === undefined;
      const connection = onSocket ? socketConnection(dataDir) : announced;
      notice('joined the embedded database that another process runs');
      return {
        role: 'joined',
        connection,
        over: contact.gone.then(() => 'the process that ran it has gone'),
        end() {
          contact.leave();
          return Promise.resolve();
        },
      };
    }
  } catch (error) {
    throw explain(dataDir, error);
  }
}

/** What the owner announces, or null where it ends without having opened the database. */
async function connectionOf(
  contact: GuardContact,
  dataDir: string,
): Promise<EmbeddedConnection | null> {
  const late = sleep(OPENING_MS, 'late' as const, { ref: false });
  const said = await Promise.race([contact.connection.catch(() => null), late]);
  if (said === null || said === 'late') contact.leave();
  if (said !== 'late') return said;
  throw new ReaperError(
    'UNAVAILABLE',
    `the owner of the data directory ${dataDir} must open the database within ${OPENING_MS / 1000} s, got silence; look at the process that runs it, or stop it`,
  );
}

async function own(
  dataDir: string,
  claim: Ownership,
  notice: (message: string) => void,
): Promise<Hold> {
  let thread: DatabaseThread | null = null;
  try {
    const onSocket = 'path' in claim.guard.address;
    const password = claim.previous?.password ?? randomBytes(24).toString('base64url');
    thread = await serveDatabase({
      directory: await prepareDatabase(dataDir, notice),
      listen: onSocket ? { path: socketPath(dataDir) } : { port: claim.previous?.port ?? 0 },
      password: onSocket ? null : password,
    });
    const connection =
      thread.port === null ? socketConnection(dataDir) : loopbackConnection(thread.port, password);
    if (thread.port !== null) claim.noteLoopback({ port: thread.port, password });
    claim.guard.announce({ connection });
    notice(
      `running the embedded database in ${dataDir}: about 300 MB of memory, for this machine only`,
    );
    const opened = thread;
    const over = opened.ended.then((reason) => {
      claim.release();
      return reason ?? 'closed';
    });
    return {
      role: 'owner',
      connection,
      over,
      async end() {
        await opened.close();
        await over;
      },
    };
  } catch (error) {
    const explained = explain(dataDir, error);
    await thread?.close(); // Never let go of the directory while it is open.
    claim.guard.announce({ failed: explained.message });
    claim.release();
    throw explained;
  }
}
