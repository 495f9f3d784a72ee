import type { TestProject } from 'vitest/node';
import { type SharedServers, startSharedServers } from './shared-servers.js';

declare module 'vitest' {
  interface ProvidedContext {
    servers: SharedServers;
  }
}

/**
 * Each vitest project that needs servers names this file, and each loads its own copy of
 * it: what they share is kept on globalThis, and the last one to finish stops it.
 */
interface Shared {
  starting: ReturnType<typeof startSharedServers>;
  users: number;
}
const globals = globalThis as { roomReaperTestServers?: Shared | undefined };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (globals.roomReaperTestServers ??= { starting: startSharedServers(), users: 0 });
  shared.users += 1;
  const { stop, ...servers } = await shared.starting;
  project.provide('servers', servers);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    globals.roomReaperTestServers = undefined;
    await stop();
  };
}
