import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { keeperArguments } from '../support/keeper.js';

it('a server and its folder are gone after kill -9 of the process that started it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const server = spawn('sleep', ['600'], { stdio: 'ignore' });
  const serverGone = once(server, 'exit');
  writeFileSync(join(folder, 'pid'), String(server.pid));

  const startKeeper = `
    require('node:child_process').spawn('sh', ${JSON.stringify(keeperArguments(folder, 'SIGTERM'))},
      { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
      .on('spawn', () => console.log('started'));
  `;
  const owner = spawn(process.execPath, ['-e', startKeeper], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(owner.stdout, 'data');
  expect(server.exitCode).toBeNull();
  owner.kill('SIGKILL');

  await serverGone;
  await expect.poll(() => existsSync(folder), { timeout: 10_000 }).toBe(false);
});
