import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { openEmbedded } from '../../src/embedded/open-embedded.js';

/**
 * Makes `dataDir` a data directory with a new database that is closed. Making one takes
 * seconds, so the first to ask makes it for all the tests, and everybody gets a copy.
 */
export async function makeDataDirectory(dataDir: string): Promise<void> {
  const { embeddedFolder } = inject('servers');
  const template = join(embeddedFolder, 'template');
  const made = join(embeddedFolder, 'made');
  const failed = join(embeddedFolder, 'failed');
  if (mkdirSync(template, { recursive: true }) !== undefined) {
    try {
      await (await openEmbedded(template)).close();
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
