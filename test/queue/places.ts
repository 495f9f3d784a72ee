/** The places where a queue can be. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import type { QueueConnection } from '../../src/queue/connection.js';
import { openQueue, type OpenQueue } from '../../src/queue/open.js';
import { makeDataDirectory } from '../support/data-directory.js';
import { createDatabase, freshRedis, freshSdkAppId } from '../support/servers.js';

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

/**
 * For what is the same to the embedded database as to a Postgres: it is one, and opening it takes
 * longer than most files. What is asked of it as such is in backends.test.ts and many-jobs.test.ts.
 */
export const servers = places.slice(0, 2);

/** One of them for all tests of a block, and in it a queue of each test's own. */
export function useQueue(
  open: () => Promise<Place>,
): Omit<OpenQueue, 'close'> & Pick<Place, 'connection'> {
  let place: Place | undefined;
  let opened: OpenQueue | undefined;
  beforeAll(async () => {
    place = await open();
  });
  afterAll(() => place?.drop());
  beforeEach(async () => {
    opened = await openQueue({
      sdkAppId: freshSdkAppId(),
      connection: nowOpen(place).connection,
      onError: (error) => {
        throw error;
      },
    });
  });
  afterEach(() => opened?.close());
  return {
    get connection() {
      return nowOpen(place).connection;
    },
    get queue() {
      return nowOpen(opened).queue;
    },
    get roomsOf() {
      return nowOpen(opened).roomsOf;
    },
    get lookUp() {
      return nowOpen(opened).lookUp;
    },
    get jobs() {
      return nowOpen(opened).jobs;
    },
    get ledger() {
      return nowOpen(opened).ledger;
    },
    get pause() {
      return nowOpen(opened).pause;
    },
    get takeOff() {
      return nowOpen(opened).takeOff;
    },
    createWorker: (processor, options) => nowOpen(opened).createWorker(processor, options),
  };
}

function nowOpen<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error('it is opened before the first test');
  return thing;
}
