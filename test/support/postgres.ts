import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import type { Source } from './choose.js';
import { startContainer } from './container.js';
import { unprivilegedUser } from './facts.js';
import { startProgram } from './program.js';
import { type OwnServer, untilItAnswers } from './server.js';

export interface PostgresServerOptions {
  /** Postgres settings, for example `{ max_connections: '20' }`. `fsync` stays on by default. */
  settings?: Record<string, string>;
}

export function startPostgres(
  source: Source,
  options: PostgresServerOptions = {},
): Promise<OwnServer> {
  const settings = Object.entries({ max_connections: '300', ...options.settings }).flatMap(
    ([key, value]) => ['-c', `${key}=${value}`],
  );
  switch (source.kind) {
    case 'program': {
      const user = unprivilegedUser();
      return startProgram({
        name: 'postgres',
        user,
        prepare: (folder) =>
          initdb(join(dirname(source.path), 'initdb'), join(folder, 'data'), folder, user),
        command: (folder, port) => [
          source.path,
          ...['-D', join(folder, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', folder],
          ...settings,
        ],
        url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
        ask: askPostgres,
        stopSignal: 'SIGINT',
        endSignal: 'SIGQUIT',
      });
    }
    case 'docker':
      return startContainer({
        image: process.env.TEST_POSTGRES_IMAGE ?? 'postgres:16-alpine',
        port: 5432,
        environment: { POSTGRES_HOST_AUTH_METHOD: 'trust' },
        command: ['postgres', ...settings],
        url: (host, port) => `postgres://postgres@${host}:${port}/postgres`,
        ask: askPostgres,
      });
    case 'url':
    case 'install':
      throw new Error(`a Postgres of a test's own cannot come from: ${source.kind}`);
  }
}

function initdb(
  program: string,
  data: string,
  folder: string,
  user: { uid: number; gid: number } | undefined,
): void {
  execFileSync(
    program,
    // --no-sync skips flushing the new files only: the server itself runs with fsync on.
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { cwd: folder, stdio: 'pipe', ...user },
  );
}

/** Whether it takes a new connection, and answers. */
export async function askPostgres(url: string): Promise<void> {
  const client = await connect(url);
  try {
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The types of pg lack these two, which say whether the process waits for it. */
type Connection = Client & Record<'ref' | 'unref', () => void>;

/** One for each URL that was used before: starting one takes longer than most uses of it. */
const idle = new Map<string, Connection>();

export async function withPostgres<T>(
  url: string,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = idle.get(url) ?? (await connect(url));
  idle.delete(url);
  client.ref();
  let reusable = false;
  try {
    const result = await use(client);
    reusable = !idle.has(url);
    return result;
  } finally {
    if (reusable) {
      idle.set(url, client);
      // The process may end with it open.
      client.unref();
    } else {
      await client.end().catch(() => undefined);
    }
  }
}

async function connect(url: string): Promise<Connection> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
  }) as Connection;
  // A server killed under the connection: the query in hand reports it.
  client.on('error', () => undefined);
  client.on('end', () => {
    if (idle.get(url) === client) idle.delete(url);
  });
  await client.connect();
  return client;
}

/** The server behind TEST_DATABASE_URL: it must answer, and it is not ours to stop. */
export async function usePostgres(url: string): Promise<string> {
  await untilItAnswers('the Postgres of TEST_DATABASE_URL', () => askPostgres(url));
  return url;
}
