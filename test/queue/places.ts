/** The places where a queue can be. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbedded } from '../../src/embedded/index.js';
import type { QueueConnection } from '../../src/queue/connection.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { createDatabase, freshRedis } from '../support/servers.js';

export interface Place {
  connection: QueueConnection;
  drop(): Promise<void>;
}

export const places: [name: string, open: () => Promise<Place>][] = [
  [
    'Redis',
    async () => {
      const { url, drop } = await freshRedis();
      return { connection: { kind: 'redis', url }, drop };
    },
  ],
  [
    'Postgres',
    async () => {
      const { url, drop } = await createDatabase();
      const connection = { connectionString: url };
      return { connection: { kind: 'postgres', connection, shownAs: 'the test database' }, drop };
    },
  ],
  [
    'the embedded database',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'rr-'));
      await makeDataDirectory(folder);
      const embedded = await openEmbedded(folder);
      const { connection } = embedded;
      return {
        connection: { kind: 'postgres', connection, shownAs: 'the embedded database' },
        async drop() {
          await embedded.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  ],
];
