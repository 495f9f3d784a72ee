/** A service on stores of a test file's own. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { readConfig } from '../../src/config.js';
import { openService, type Service } from '../../src/operations/service.js';
import { createDatabase, freshRedis, freshSdkAppId } from '../support/servers.js';

function openTestService(env: Record<string, string>): Promise<Service> {
  const config = readConfig(env, { app: true, credentials: false });
  return openService(config, { onNotice: () => undefined, onQueueError: () => undefined });
}

/** Lends a service to `use`, as a command with these variables would open it. */
export async function withTestService<R>(
  env: Record<string, string>,
  use: (service: Service) => Promise<R>,
): Promise<R> {
  const service = await openTestService(env);
  try {
    return await use(service);
  } finally {
    await service.close();
  }
}

/** Opens services on Redis and Postgres, each for an app of its own. Call it once, outside of the tests. */
export function useServices(): { open(): Promise<Service> } {
  const drops: (() => Promise<void>)[] = [];
  const opened: Service[] = [];
  let env: Record<string, string> = {};
  beforeAll(async () => {
    const [redis, database] = await Promise.all([freshRedis(), createDatabase()]);
    drops.push(redis.drop, database.drop);
    env = { QUEUE_URL: redis.url, DATABASE_URL: database.url };
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((service) => service.close()));
  });
  afterAll(async () => {
    await Promise.all(drops.map((drop) => drop()));
  });
  return {
    async open() {
      const service = await openTestService({
        ...env,
        TENCENT_SDK_APP_ID: String(freshSdkAppId()),
      });
      opened.push(service);
      return service;
    },
  };
}
