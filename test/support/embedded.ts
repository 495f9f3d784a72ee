import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Opens the embedded Postgres on a fresh folder: the last resort, slow and for one
 * machine. Its thread runs from dist/, which `npm test` builds.
 *
 * @param fill - puts a database into the folder (data-directory.ts), which saves making one.
 */
export async function openFreshEmbedded(
  fill?: (dataDir: string) => Promise<void>,
): Promise<{ url: string; close: () => Promise<void> }> {
  const { openEmbedded } = await import('../../src/embedded/open-embedded.js');
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  await fill?.(folder);
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
