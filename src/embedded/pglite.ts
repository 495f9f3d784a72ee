import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { fsyncSync } from 'node:fs';
import { syncPath } from './durable.js';

interface EmscriptenStream {
  nfd?: number;
  node: unknown;
}

interface EmscriptenModule {
  FS: {
    filesystems: {
      NODEFS: {
        stream_ops: { fsync?: (stream: EmscriptenStream) => number };
        node_ops: {
          mknod: (parent: unknown, name: string, mode: number, device: number) => unknown;
          setattr: (node: unknown, attributes: { mode?: number }) => void;
        };
        realPath(node: unknown): string;
      };
    };
  };
}

/**
 * PGlite's file system of Node with three things that it lacks: files are for their user only
 * (there they are for everybody, whatever the process's umask), fsync reaches the
 * disk (there it does nothing, so that a power cut could lose commits or tear
 * pages: https://github.com/electric-sql/pglite/issues/1107), and a panic of
 * Postgres is told (there it is swallowed, and the next statement hangs).
 */
function durableFiles(directory: string, onAbort: (reason: string) => void): NodeFS {
  return new (class extends NodeFS {
    override async init(...args: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
      const { emscriptenOpts } = await super.init(...args);
      emscriptenOpts.onAbort = (reason: unknown) => onAbort(String(reason));
      emscriptenOpts.preRun?.push((module) => syncToDisk(module), keepToUser);
      return { emscriptenOpts };
    }
  })(directory);
}

function syncToDisk(module: unknown): void {
  const { NODEFS } = (module as EmscriptenModule).FS.filesystems;
  NODEFS.stream_ops.fsync = ({ nfd, node }) => {
    if (nfd !== undefined) fsyncSync(nfd);
    else syncPath(NODEFS.realPath(node)); // A directory: it has no descriptor of its own.
    return 0;
  };
}

function keepToUser(module: unknown): void {
  const { node_ops: operations } = (module as EmscriptenModule).FS.filesystems.NODEFS;
  const { mknod, setattr } = operations;
  operations.mknod = (parent, name, mode, device) => mknod(parent, name, mode & ~0o077, device);
  operations.setattr = (node, attributes) => {
    const { mode } = attributes;
    setattr(node, mode === undefined ? attributes : { ...attributes, mode: mode & ~0o077 });
  };
}

const settings: Record<string, string> = {
  // BullMQ's statements name no schema. Every connection shares the session, so the
  // path is set once for all; the ledger's statements name their schema and need none.
  search_path: 'bullmq,public',
  fsync: 'on',
  // The default, fdatasync, is a system call that PGlite leaves out.
  wal_sync_method: 'fsync',
  // The session flushes once for all waiting commits, before it answers (shared-session.ts).
  synchronous_commit: 'off',
  // Enough for the working set of the queue; PGlite's default of 128 MB only costs memory.
  shared_buffers: '48MB',
  timezone: 'UTC',
};

/** PGlite's start parameters without `-F` (no fsync) and with ours. */
function startParameters(): string[] {
  const own = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return [...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'), ...own];
}

export interface Postgres {
  /** Runs wire protocol messages and returns all that Postgres answered. */
  execute(messages: Buffer): Buffer;
  close(): Promise<void>;
}

/**
 * Opens (or makes, by initdb) the Postgres in `directory`, in this thread.
 *
 * @param onAbort - told when Postgres panics; the thread must end then.
 * @throws Error with what went wrong, and what Postgres logged about it.
 */
export async function openPostgres(
  directory: string,
  onAbort: (reason: string) => void,
): Promise<Postgres> {
  const log: string[] = [];
  const note = (text: string): boolean => {
    const grave = /(FATAL|PANIC): .*/.exec(text)?.[0];
    if (grave !== undefined) log.push(grave);
    return false;
  };
  let database: PGlite;
  try {
    database = await PGlite.create({
      fs: durableFiles(directory, (reason) => onAbort(reasons(reason, log))),
      startParams: startParameters(),
      onStderr: note,
    });
  } catch (error) {
    throw new Error(reasons(describe(error), log), { cause: error });
  }
  return {
    execute(messages) {
      const chunks: Buffer[] = [];
      // Runs to its end before it returns; it is `async` only for file systems that sync later.
      database
        .execProtocolRawStream(messages, {
          syncToFs: false,
          onRawData: (chunk) => chunks.push(Buffer.from(chunk)),
        })
        .catch((error: unknown) => onAbort(reasons(describe(error), log)));
      return Buffer.concat(chunks);
    },
    close: () => database.close(),
  };
}

function reasons(reason: string, log: string[]): string {
  return [reason, ...log.slice(-2)].filter((text) => text !== '').join('; ');
}

/** Errors of Emscripten's file system carry a number only (WASI's errno). */
const fileErrors: Record<number, string> = {
  2: 'EACCES',
  19: 'EDQUOT',
  51: 'ENOSPC',
  63: 'EPERM',
  69: 'EROFS',
};

function describe(error: unknown): string {
  if (error instanceof Error) return error.message;
  const errno = (error as { errno?: number } | null)?.errno;
  return errno === undefined ? String(error) : (fileErrors[errno] ?? `file error ${errno}`);
}
