import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { say } from './say.js';

const policy = '/usr/sbin/policy-rc.d';
/** A machine that has just started may be updating itself, and a download may fail. */
const patiently = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
let listsAreFresh = false;

/** Installs a Debian package, as root, without letting it start a service of its own. */
export function installPackage(name: string): void {
  say(`installing the package ${name} with apt-get, since the tests did not find it`);
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) {
    // Debian's way to say "start nothing": the tests run their own instance on a port of its own.
    writeFileSync(policy, '#!/bin/sh\nexit 101\n');
    chmodSync(policy, 0o755);
  }
  try {
    if (!listsAreFresh) apt('update', '-q');
    listsAreFresh = true;
    apt('install', '-q', '-y', '--no-install-recommends', name);
  } finally {
    if (ownPolicy) rmSync(policy);
  }
}

function apt(...args: string[]): void {
  try {
    execFileSync('apt-get', [...patiently, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`apt-get ${args.join(' ')} failed: ${(stderr ?? '').trim()}`, { cause: error });
  }
}
