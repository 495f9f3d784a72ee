import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';
import { openDatabase } from '../../src/ledger/database.js';
import { openQueue } from '../../src/queue/open.js';

/**
 * Makes `dataDir` a data directory with a new database that is closed, and has the schemas of
 * ledger and queue. Making one takes seconds, so the first to ask makes it for all the tests,
 * and everybody gets a copy.
 */
export async function makeDataDirectory(dataDir: string): Promise<void> {
  const { embeddedFolder } = inject('servers');
  const template = join(embeddedFolder, 'template');
  const made = join(embeddedFolder, 'made');
  const failed = join(embeddedFolder, 'failed');
  if (mkdirSync(template, { recursive: true }) !== undefined) {
    try {
      await makeTemplate(template);
    } catch (error) {
      // The others would wait for it in vain.
      writeFileSync(failed, String(error));
      throw error;
    }
    writeFileSync(made, '');
  }
  while (!existsSync(made)) {
    if (existsSync(failed)) throw new Error(`no data directory: ${readFileSync(failed, 'utf8')}`);
    await sleep(50);
  }
  cpSync(template, dataDir, { recursive: true });
}

async function makeTemplate(dataDir: string): Promise<void> {
  const embedded = await openEmbedded(dataDir);
  const place = { connection: embedded.connection, shownAs: 'the template' };
  try {
    await (await openDatabase(place)).close();
    const connection = { kind: 'postgres', ...place } as const;
    await (
      await openQueue({ sdkAppId: 1_400_000_000, connection, onError: () => undefined })
    ).close();
  } finally {
    await embedded.close();
  }
}
