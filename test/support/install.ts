import { execFileSync } from 'node:child_process';
import { say } from './say.js';

/** Two runs of tests may begin at once, and apt-get waits for no other that updates its lists. */
const lock = '/var/lock/room-reaper-test-install';
let listsAreFresh = false;

const script = `
policy=/usr/sbin/policy-rc.d
# Debian's way to say "start nothing": the tests run their own instance on a port of its own.
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy
  chmod +x $policy
fi
# A machine that has just started may be updating itself, and a download may fail.
apt() { apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"; }
[ "$2" = fresh ] || apt update || exit
apt install -y --no-install-recommends "$1"
`;

/** Installs a Debian package, as root, without letting it start a service of its own. */
export function installPackage(name: string): void {
  say(`installing the package ${name} with apt-get, since the tests did not find it`);
  const shell = ['sh', '-c', script, 'install', name, listsAreFresh ? 'fresh' : 'old'];
  try {
    execFileSync('flock', [lock, ...shell], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    listsAreFresh = true;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`apt-get cannot install ${name}: ${(stderr ?? '').trim()}`, { cause: error });
  }
}
