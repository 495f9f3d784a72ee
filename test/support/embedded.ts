import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { makeDataDirectory } from './data-directory.js';

/** Flags of Node for another process that may run an embedded database, as this one does (vitest.config.ts). */
export const sameTier = process.execArgv.filter((flag) => flag === '--liftoff-only');

/**
 * Opens the embedded Postgres on a new database that nobody else uses. Its thread runs from
 * dist/, which `npm test` builds.
 */
export async function openFreshEmbedded(): Promise<{ url: string; close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  await makeDataDirectory(folder);
  const embedded = await openEmbedded(folder);
  const { host, port, user, database, password = '' } = embedded.connection;
  // pg takes host and port, which may name a socket's folder, from the query.
  const url = new URL(`postgres://${user}@localhost/${database}`);
  url.password = password;
  url.searchParams.set('host', host);
  url.searchParams.set('port', String(port));
  return {
    url: url.href,
    async close() {
      await embedded.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
