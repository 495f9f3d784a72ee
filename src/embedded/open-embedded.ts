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
import { claimDirectory, type Claim, type Ownership } from './claim.js';
import { explain, prepareDataDirectory, prepareDatabase } from './directory.js';
import {
  loopbackConnection,
  socketConnection,
  socketPath,
  type EmbeddedConnection,
} from './address.js';
import type { Loopback } from './ticket.js';
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
const firstRetryMs = 1_000;
const lastRetryMs = 15_000;

/** How long another process may take to open the database; the first time takes 3–10 s. */
const openingMs = 120_000;

/**
 * Opens the embedded database in `dataDir`, or joins the process that has it open.
 *
 * @throws ReaperError `UNAVAILABLE`, with what to do, where neither is possible.
 */
export async function openEmbedded(
  dataDir: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedDatabase> {
  const directory = resolve(dataDir);
  const notice = (message: string): void => options.onNotice?.(message);
  const joinOnly = prepareDataDirectory(directory, notice);
  let hold = await take(directory, notice, joinOnly);
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
      if (next === undefined) return;
      hold = next;
      if (next.connection.port !== connection.port) {
        notice('the embedded database has moved to another port; restart this process to reach it');
      }
    }
  }

  /** Undefined where it is closed meanwhile. */
  async function takeAgain(): Promise<Hold | undefined> {
    let said = '';
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, lastRetryMs)) {
      try {
        const next = await take(directory, notice, joinOnly);
        if (!stop.signal.aborted) return next;
        await next.end();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== said) notice(message);
        said = message;
        // Does not keep the process running: its own work does, or nothing.
        await sleep(retryMs, undefined, { ref: false, signal: stop.signal }).catch(() => undefined);
      }
      if (stop.signal.aborted) return undefined;
    }
  }
}

async function take(
  dataDir: string,
  notice: (message: string) => void,
  joinOnly: string | undefined,
): Promise<Hold> {
  try {
    for (;;) {
      const claim = await claimDirectory(dataDir, joinOnly);
      if (claim.kind === 'owned') return await own(dataDir, claim, notice);
      const announced = await whereabouts(claim, dataDir);
      if (announced === undefined) continue; // Its owner went while opening: perhaps it is our turn.
      // Its owner may see the directory under another path.
      const connection =
        announced === 'socket'
          ? socketConnection(dataDir)
          : loopbackConnection(announced.port, announced.password);
      notice('joined the embedded database that another process runs');
      return {
        role: 'joined',
        connection,
        over: claim.contact.gone.then(() => 'the process that ran it has gone'),
        end() {
          claim.contact.leave();
          return Promise.resolve();
        },
      };
    }
  } catch (error) {
    throw explain(dataDir, error);
  }
}

/** Where the owner has the database, or undefined where it ends without having opened it. */
async function whereabouts(
  claim: Extract<Claim, { kind: 'joined' }>,
  dataDir: string,
): Promise<Loopback | 'socket' | undefined> {
  const opened = claim.contact.opened.then(
    () => 'opened' as const,
    () => 'failed' as const,
  );
  const late = sleep(openingMs, 'late' as const, { ref: false });
  const said = await Promise.race([opened, late]);
  if (said === 'opened') return claim.whereabouts();
  claim.contact.leave();
  if (said === 'failed') return undefined;
  throw new ReaperError(
    'UNAVAILABLE',
    `the owner of the data directory ${dataDir} must open the database within ${openingMs / 1000} s, got silence; look at the process that runs it, or stop it`,
  );
}

async function own(
  dataDir: string,
  claim: Ownership,
  notice: (message: string) => void,
): Promise<Hold> {
  let thread: DatabaseThread | undefined;
  try {
    const onSocket = 'path' in claim.beacon.address;
    const password = claim.previous?.password ?? randomBytes(24).toString('base64url');
    thread = await serveDatabase({
      directory: await prepareDatabase(dataDir, notice),
      listen: onSocket ? { path: socketPath(dataDir) } : { port: claim.previous?.port ?? 0 },
      password: onSocket ? undefined : password,
    });
    const connection =
      thread.port === undefined
        ? socketConnection(dataDir)
        : loopbackConnection(thread.port, password);
    if (thread.port !== undefined) claim.noteLoopback({ port: thread.port, password });
    claim.beacon.announce({ connection: {} });
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
    claim.beacon.announce({ failed: explained.message });
    claim.release();
    throw explained;
  }
}
