/** Services on real stores, each for an app that nobody else has. */
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { readConfig } from '../../src/config.js';
import { batchDestructionId, newId } from '../../src/queue/destruction-id.js';
import type { Destruction } from '../../src/destruction.js';
import { openService, type Service } from '../../src/operations/service.js';
import { addDestructions, type Placement } from '../../src/producer/add.js';
import { createDatabase, freshRedis, freshSdkAppId, withPostgres } from '../support/servers.js';

export const places = ['Redis and Postgres', 'Postgres alone'] as const;

export interface TestService {
  readonly service: Service;
  /** Puts rooms on the queue, as a producer does. */
  add(
    rooms: readonly string[],
    changes?: Partial<Destruction> & Partial<Placement>,
  ): Promise<Destruction[]>;
  /** Runs one statement of the test's own on the ledger. */
  sql(text: string, values?: readonly unknown[]): Promise<unknown[]>;
}

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

/** Call it once, outside of the tests. */
export function useService(place: (typeof places)[number] = 'Redis and Postgres'): TestService {
  const drops: (() => Promise<void>)[] = [];
  const urls = { QUEUE_URL: '', DATABASE_URL: '' };
  let opened: Service | undefined;

  beforeAll(async () => {
    const database = await createDatabase();
    drops.push(database.drop);
    urls.DATABASE_URL = urls.QUEUE_URL = database.url;
    if (place === 'Postgres alone') return;
    const redis = await freshRedis();
    drops.push(redis.drop);
    urls.QUEUE_URL = redis.url;
  });
  beforeEach(async () => {
    opened = await openTestService({ TENCENT_SDK_APP_ID: String(freshSdkAppId()), ...urls });
  });
  afterEach(() => opened?.close());
  afterAll(async () => {
    await Promise.all(drops.map((drop) => drop()));
  });

  function service(): Service {
    if (opened === undefined) throw new Error('the service is opened before each test');
    return opened;
  }
  return {
    get service() {
      return service();
    },
    async add(rooms, { lane = 'bulk', delayMs = 0, ...changes } = {}) {
      const { queue } = await service().queue();
      const now = Date.now();
      const destructions = rooms.map((roomId) => ({
        ...{ id: idOf(roomId, changes), roomId, batchId: undefined },
        ...{ requestedAtMs: now, notAfterMs: now + 3_600_000 },
        ...changes,
      }));
      await addDestructions(queue, destructions, { lane, delayMs });
      return destructions;
    },
    sql: (text, values = []) =>
      withPostgres(
        urls.DATABASE_URL,
        async (client) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
      ),
  };
}

/** The rooms of a batch have ids that follow from it; `requestedAtMs` is when it was made. */
function idOf(roomId: string, { batchId, requestedAtMs }: Partial<Destruction>): string {
  if (batchId === undefined) return newId();
  return batchDestructionId(batchId, requestedAtMs ?? Date.now(), roomId);
}
