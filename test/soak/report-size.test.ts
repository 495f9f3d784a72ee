import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { fillLedger, syntheticBatchId } from '../ledger/synthetic.js';
import { openLedger } from '../ledger/fixture.js';
import { freshSdkAppId } from '../support/servers.js';
import { folderWith, run } from '../e2e/room-reaper.js';
import { redisAndPostgres } from '../e2e/stage.js';

const rooms = 200_000;

/** Most memory that a report may take whatever its size, in MiB, above that of `status`. */
const growthMiB = 60;

/**
 * Node leaves garbage lie while the machine has memory to spare. With a heap as small as this
 * a report that kept its rooms (some 200 bytes each at the very least) would not come to its end.
 */
const smallHeap = '--max-old-space-size=40 --max-semi-space-size=2';

/**
 * Makes a program tell the most memory that it ever took, at its end. The kernel's count
 * begins with the program; that of `getrusage` holds what the process had that started it.
 */
const tellMemory = `
import { readFileSync } from 'node:fs';
process.on('exit', () => {
  const [, kib] = /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  process.stderr.write('most memory: ' + kib);
});`;

test.skipIf(process.platform !== 'linux')(
  'a report of 200,000 rooms and its audit take little more memory than a look at the status',
  async () => {
    const stores = await redisAndPostgres();
    const sdkAppId = freshSdkAppId();
    await (await openLedger(stores.DATABASE_URL)).close();
    await fillLedger(stores.DATABASE_URL, { sdkAppId, rooms, roomsOfBatch: rooms });
    const cwd = folderWith({ 'tell.mjs': tellMemory });
    const env = {
      ...stores,
      NODE_OPTIONS: `${smallHeap} --import=${pathToFileURL(join(cwd, 'tell.mjs')).href}`,
    };

    async function peakMiB(...args: string[]): Promise<number> {
      const ended = await run(args, { cwd, env: { ...env, TENCENT_SDK_APP_ID: String(sdkAppId) } });
      const [, kib] = /most memory: (\d+)/.exec(ended.stderr) ?? [];
      expect(ended.stderr).not.toMatch(/unexpected|error/i);
      return Number(kib) / 1024;
    }
    const least = await peakMiB('status');
    const csv = ['report', syntheticBatchId(0), '--format', 'csv', '--output', 'all.csv'];
    const most = await peakMiB(...csv);
    const audited = await peakMiB('audit', '--since', '1d');

    let written = 0;
    for await (const chunk of createReadStream(join(cwd, 'all.csv'), 'utf8'))
      written += (chunk as string).split('\n').length - 1;
    expect(written).toBe(rooms + 1);
    expect(least, `${least} ${most} ${audited}`).toBeGreaterThan(20);
    expect(most - least).toBeLessThan(growthMiB);
    expect(most).toBeLessThan(150);
    expect(audited - least).toBeLessThan(growthMiB);
  },
  300_000,
);
