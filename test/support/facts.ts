import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  readFileSync,
  readdirSync,
  realpathSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Facts } from './choose.js';

export async function redisFacts(): Promise<Facts> {
  return {
    url: process.env.TEST_REDIS_URL,
    docker: await dockerAnswers(),
    program: findRedis(),
    canInstall: isRootOnDebian(),
  };
}

export async function postgresFacts(): Promise<Facts> {
  return {
    url: process.env.TEST_DATABASE_URL,
    docker: await dockerAnswers(),
    program: findPostgres(),
    canInstall: isRootOnDebian(),
  };
}

export function findRedis(): string | undefined {
  return onPath('redis-server');
}

/** Debian keeps it off the PATH of most users. */
export function findPgbouncer(): string | undefined {
  const candidates = [process.env.TEST_PGBOUNCER, onPath('pgbouncer'), '/usr/sbin/pgbouncer'];
  return candidates.find((path) => path !== undefined && isProgram(path));
}

/** The checker of Prometheus for what it is shown and for its rules. */
export function findPromtool(): string | undefined {
  const candidates = [process.env.TEST_PROMTOOL, onPath('promtool')];
  return candidates.find((path) => path !== undefined && isProgram(path));
}

/** `postgres` with `initdb` beside it: on the PATH, or where Debian keeps it off the PATH. */
export function findPostgres(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root)
    ? readdirSync(root).sort((a, b) => Number.parseInt(b) - Number.parseInt(a))
    : [];
  const named = onPath('postgres');
  const candidates = [
    // The PATH may hold a symbolic link, with initdb only beside the real file.
    ...(named === undefined ? [] : [realpathSync(named)]),
    ...versions.map((version) => join(root, version, 'bin', 'postgres')),
  ];
  return candidates.find((path) => isProgram(path) && isProgram(join(dirname(path), 'initdb')));
}

let answer: Promise<boolean> | undefined;

/** True if a Docker engine answers now; an installed client or a stale socket is not enough. */
export function dockerAnswers(): Promise<boolean> {
  answer ??= askDocker();
  return answer;
}

async function askDocker(): Promise<boolean> {
  const runtimeDir = process.env.XDG_RUNTIME_DIR;
  const hints = [
    '/var/run/docker.sock',
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
    join(homedir(), '.testcontainers.properties'),
    ...(runtimeDir === undefined ? [] : [join(runtimeDir, 'docker.sock')]),
  ];
  // Loading testcontainers takes a second: not without a sign that there is a point.
  if (process.env.DOCKER_HOST === undefined && !hints.some((path) => existsSync(path)))
    return false;
  const { getContainerRuntimeClient } = await import('testcontainers');
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), 5_000);
  });
  const found = getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
  return Promise.race([found, tooLate]).finally(() => clearTimeout(timer));
}

export function isRootOnDebian(): boolean {
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) return false;
  if (!existsSync('/etc/os-release')) return false;
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
}

/**
 * The user that a server program runs as. Postgres refuses root, so root hands it to
 * `postgres`, or to `nobody` where there is no such user.
 */
export function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such user: try the next name.
    }
  }
  throw new Error('Postgres must not run as root, and there is no user postgres or nobody');
}

function onPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
