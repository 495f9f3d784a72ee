import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { keep, keeperArguments } from '../support/keeper.js';

it('a server and its folder are gone after kill -9 of the process that started it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  const server = spawn('sleep', ['600'], { stdio: 'ignore' });
  const serverGone = once(server, 'exit');
  writeFileSync(join(folder, 'pid'), String(server.pid));

  const startKeeper = `
    require('node:child_process').spawn('sh', ${JSON.stringify(keeperArguments)},
      { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
      .stdin.write(${JSON.stringify(`keep TERM ${folder}\n`)}, () => console.log('kept'));
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

it('one keeper ends many servers, each when it is told to, and removes their folders', async () => {
  const kept = ['SIGTERM', 'SIGKILL'].map((signal) => {
    const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
    const server = spawn('sleep', ['600'], { stdio: 'ignore' });
    writeFileSync(join(folder, 'pid'), String(server.pid));
    const { end } = keep(folder, signal as NodeJS.Signals);
    return { folder, server, signal, end };
  });
  for (const { folder, server, signal, end } of kept) {
    expect([server.signalCode, existsSync(folder)]).toEqual([null, true]);
    const gone = once(server, 'exit');
    await Promise.all([end(), end()]);
    expect([(await gone)[1], existsSync(folder)]).toEqual([signal, false]);
  }
});
