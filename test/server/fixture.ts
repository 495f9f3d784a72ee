/** A server in the process of the test, on stores of its own, with a token for each role. */
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll } from 'vitest';
import { createLog } from '../../src/log.js';
import { readConfig, type Config } from '../../src/config.js';
import { openService, type Service } from '../../src/operations/service.js';
import { createToken, roles, type Role } from '../../src/operations/tokens.js';
import { startServer, type HttpServer } from '../../src/server/server.js';
import type { places } from '../operations/service.js';
import { createDatabase, freshRedis, freshSdkAppId, withPostgres } from '../support/servers.js';

export type Tokens = Readonly<Record<Role, string>>;

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
  /** Of a body that is JSON. */
  json: unknown;
}

export interface Asking {
  method?: string;
  /** Default: operator. */
  as?: Role | 'nobody';
  headers?: Record<string, string>;
  /** A value is sent as JSON. */
  body?: unknown;
}

export interface TestServer {
  readonly server: HttpServer;
  readonly config: Config;
  readonly tokens: Tokens;
  /** What the server logged. */
  readonly log: string[];
  /** A service on the same stores, as a command would open it. */
  readonly service: Service;
  ask(path: string, asking?: Asking): Promise<Answer>;
  sql(text: string, values?: readonly unknown[]): Promise<unknown[]>;
}

/** Asks by Node's own client, which sends any header and leaves the path as it is. */
export function askAt(url: string, path: string, asking: Omit<Asking, 'as'> = {}): Promise<Answer> {
  const { method = asking.body === undefined ? 'GET' : 'POST', headers = {}, body } = asking;
  const isJson = body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body);
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = httpRequest(
      {
        ...{ host: hostname.replace(/^\[|\]$/g, ''), port, method },
        path: pathname.replace(/\/$/, '') + path,
        headers: { ...(isJson ? { 'Content-Type': 'application/json' } : {}), ...headers },
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const type = response.headers['content-type'] ?? '';
          const json: unknown =
            /[/+]json(;|$)/.test(type) && text !== '' ? JSON.parse(text) : undefined;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
      },
    );
    asked.on('error', reject);
    asked.end(isJson ? JSON.stringify(body) : body);
  });
}

/** Call it once, outside of the tests. @param env - variables besides those of app and stores. */
export function useServer(
  place: (typeof places)[number] = 'Redis and Postgres',
  env: Record<string, string> = {},
): TestServer {
  const ends: (() => Promise<unknown>)[] = [];
  const log: string[] = [];
  let made: Pick<TestServer, 'server' | 'config' | 'tokens' | 'service'> | undefined;

  beforeAll(async () => {
    const database = await createDatabase();
    const redis = place === 'Postgres alone' ? undefined : await freshRedis();
    const config = readConfig(
      {
        ...{ TENCENT_SDK_APP_ID: String(freshSdkAppId()), SERVE_PORT: '0' },
        ...{ DATABASE_URL: database.url, QUEUE_URL: redis?.url ?? database.url },
        ...env,
      },
      { app: true, credentials: 'TENCENT_SECRET_KEY' in env },
    );
    const quiet = { onNotice: () => undefined, onQueueError: () => undefined };
    const service = await openService(config, quiet);
    const tokens: Record<string, string> = {};
    for (const role of roles) {
      const request = { name: `a-${role}`, role, by: 'ada', expiresAtMs: undefined };
      tokens[role] = await createToken(service, request);
    }
    const server = await startServer(config, {
      ...{
        version: '1.2.3',
        onNotice: () => undefined,
        inspected: { config, problems: [], warnings: [] },
      },
      log: createLog({
        ...{ level: 'debug', readable: false, colour: false },
        destination: { write: (line) => log.push(line) },
      }),
    });
    made = { server, config, service, tokens: tokens as Tokens };
    ends.push(
      () => server.close(),
      () => service.close(),
      async () => {
        await Promise.all([database.drop(), redis?.drop()]);
      },
    );
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });

  function open() {
    if (made === undefined) throw new Error('the server is started before the tests');
    return made;
  }
  return {
    ...{ log },
    get server() {
      return open().server;
    },
    get config() {
      return open().config;
    },
    get tokens() {
      return open().tokens;
    },
    get service() {
      return open().service;
    },
    ask(path, { as = 'operator', headers, ...asking } = {}) {
      const { server, tokens } = open();
      const authorization = as === 'nobody' ? {} : { Authorization: `Bearer ${tokens[as]}` };
      return askAt(server.url, path, { ...asking, headers: { ...authorization, ...headers } });
    },
    sql: (text, values = []) =>
      withPostgres(
        open().config.databaseUrl,
        async (client) => (await client.query<Record<string, unknown>>(text, [...values])).rows,
      ),
  };
}
