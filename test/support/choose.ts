/**
 * Where the tests may get a server from, in the order in which they try. Pure: the
 * facts are gathered in facts.ts and acted on in shared-servers.ts.
 */
export type Source =
  /** A server that somebody else runs: used as it is, never killed. */
  | { kind: 'url'; url: string }
  /** A container of our own, through testcontainers. */
  | { kind: 'docker' }
  /** A server program on this machine, started on a free loopback port. */
  | { kind: 'program'; path: string }
  /** The distribution's package is installed first, then its program is started. */
  | { kind: 'install' };

export interface Facts {
  /** TEST_REDIS_URL or TEST_DATABASE_URL. */
  url?: string | undefined;
  /** A Docker engine answered just now. */
  docker: boolean;
  /** The server program found on this machine. */
  program?: string | undefined;
  /** We are root on a Debian-family system. */
  canInstall: boolean;
}

/** The given URL alone, or else Docker, a program, the package; empty if there is none. */
export function chooseSources(facts: Facts): Source[] {
  // A URL that was given and does not work is an error: the tests must not silently go elsewhere.
  if (facts.url !== undefined) return [{ kind: 'url', url: facts.url }];
  const sources: Source[] = [];
  if (facts.docker) sources.push({ kind: 'docker' });
  if (facts.program !== undefined) sources.push({ kind: 'program', path: facts.program });
  else if (facts.canInstall) sources.push({ kind: 'install' });
  return sources;
}

/** The sources that can give a test a server of its own to kill, but for those that failed already. */
export function ownable(facts: Facts, failed: Source[] = []): Source[] {
  const failedKinds = failed.map((source) => source.kind);
  return chooseSources({ ...facts, url: undefined }).filter(
    (source) => source.kind !== 'install' && !failedKinds.includes(source.kind),
  );
}
