/**
 * The configuration: one schema gives types, defaults, checks and the text of the
 * documentation (docs/operations.md is held to it by a test). It is parsed once, at
 * the entry of the program, frozen, and passed down.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ReaperError } from './errors.js';
import { withoutPassword } from './redact.js';
import { keyPrefixProblem, ledgerSchemes, queueSchemes, storeUrlProblem } from './store-url.js';
import type { Credentials } from './tencent/credentials.js';
import { regionEndpoint, regions } from './tencent/endpoint.js';
import { chooseProxy } from './tencent/proxy.js';
import type { VariableName } from './variable-names.js';

const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^-?\d+$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, {
      error: `must be from ${minimum} to ${maximum}`,
    });

const positiveNumber = (maximum: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, `must be a number above 0, at most ${maximum}`)
    .transform(Number)
    .refine((value) => value > 0 && value <= maximum, {
      error: `must be above 0, at most ${maximum}`,
    });

const storeUrl = (schemes: readonly string[]) =>
  z.string().superRefine((value, context) => {
    const message = storeUrlProblem(value, schemes);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const endpoint = z
  .string()
  .refine((value) => URL.canParse(value), { error: 'must be a URL such as https://host' })
  .refine(
    (value) => {
      if (!URL.canParse(value)) return true;
      const { protocol, hostname } = new URL(value);
      return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
    },
    { error: 'must be https:, or http: on a loopback address only' },
  )
  .refine(
    (value) => {
      if (!URL.canParse(value)) return true;
      const parsed = new URL(value);
      const { username, password, pathname } = parsed;
      return pathname === '/' && !/[?#]/.test(value) && !username && !password;
    },
    { error: 'must be a base URL without path, query or credentials' },
  );

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Every variable: its check, its default (in the form a user would write), its meaning. */
const variables = {
  TENCENT_SDK_APP_ID: {
    schema: integer(1, 4_294_967_295),
    meaning: 'SDKAppID, an integer',
  },
  TENCENT_SECRET_KEY: {
    schema: z.string().min(1),
    meaning: 'key that signs UserSigs',
  },
  TENCENT_SECRET_KEY_FILE: {
    schema: z.string(),
    meaning: 'file that holds the key, instead of TENCENT_SECRET_KEY',
  },
  TENCENT_ADMIN_IDENTIFIER: {
    schema: z.string().max(64, 'must be at most 64 characters'),
    fallback: 'administrator',
    meaning: 'app admin account',
  },
  TENCENT_REGION: {
    schema: z.enum(regions, { error: `must be one of ${regions.join(', ')}` }),
    fallback: 'china',
    meaning: regions.map((region) => `\`${region}\``).join(', '),
  },
  TENCENT_ENDPOINT: {
    schema: endpoint,
    meaning: "base URL instead of the region's; `https:` or, for loopback only, `http:`",
  },
  QUEUE_URL: {
    schema: storeUrl(queueSchemes),
    fallback: 'embedded',
    meaning:
      '`redis://`, `redis-sentinel://…#NAME`, `redis-cluster://` (with TLS `rediss…`), `postgres://`, `embedded`',
  },
  QUEUE_URL_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of QUEUE_URL',
  },
  QUEUE_PREFIX: {
    schema: z.string().superRefine((value, context) => {
      const message = keyPrefixProblem(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    }),
    fallback: 'bull',
    meaning: 'what the keys of the queue begin with in Redis; on a cluster it gets braces',
  },
  DATABASE_URL: {
    schema: storeUrl(ledgerSchemes),
    fallback: 'embedded',
    meaning: 'ledger: `postgres://`, `embedded`',
  },
  DATABASE_URL_FILE: {
    schema: z.string(),
    meaning: 'file that holds it, instead of DATABASE_URL',
  },
  ROOM_REAPER_DATA_DIR: {
    schema: z.string().min(1),
    fallback: '.room-reaper',
    meaning: 'where the embedded default keeps its data',
  },
  RATE_LIMIT_PER_SECOND: {
    // Windows are counted in whole requests.
    schema: positiveNumber(100_000).refine((value) => value < 1 || Number.isInteger(value), {
      error: 'must be a whole number, or less than 1',
    }),
    fallback: '200',
    meaning: "the API's quota for this app",
  },
  ARRIVAL_JITTER_MS: {
    schema: integer(0, 1_000),
    fallback: '20',
    meaning: 'by how much the time from slot to arrival may vary',
  },
  WORKER_CONCURRENCY: {
    schema: integer(1, 10_000),
    fallback: '100',
    meaning: 'most rooms in hand in one worker',
  },
  REQUEST_TIMEOUT_MS: {
    schema: integer(100, 600_000),
    fallback: '8000',
    meaning: 'one attempt, whole',
  },
  DESTROY_DEADLINE_HOURS: {
    schema: positiveNumber(24 * 365),
    fallback: '24',
    meaning: 'a destruction not begun by then expires',
  },
  LATER_RETRIES: {
    schema: integer(0, 1_000),
    fallback: '8',
    meaning: 'how often a room that keeps failing is tried again later, before it is `failed`',
  },
  FAILED_JOBS_DAYS: {
    schema: integer(1, 3_650),
    fallback: '14',
    meaning: "how long what failed stays in BullMQ's failed set",
  },
  PROTECTED_ROOMS_FILE: {
    schema: z.string(),
    meaning: 'file of rooms that are never destroyed: one RoomId or `*` pattern a line',
  },
  LOG_LEVEL: {
    schema: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }),
    fallback: 'info',
    meaning: 'pino level',
  },
} as const satisfies Record<
  VariableName,
  { schema: z.ZodType; fallback?: string; meaning: string }
>;

export type { VariableName };

/** What may be in a file of its own, under the name with `_FILE` behind it. */
const secrets = {
  TENCENT_SECRET_KEY: 'the secret key of the app',
  QUEUE_URL: 'the URL of the queue',
  DATABASE_URL: 'the URL of the ledger',
} as const satisfies Partial<Record<VariableName, string>>;

type Values = { [Name in VariableName]: z.output<(typeof variables)[Name]['schema']> };

/** The same, seen so that a name gives the type of its value. */
const checks: {
  readonly [Name in VariableName]: { schema: z.ZodType<Values[Name]>; fallback?: string };
} = variables;

/** Name, default and meaning of every variable, for help and docs. */
export const variableTable: readonly { name: string; fallback?: string; meaning: string }[] =
  Object.entries(variables).map(([name, variable]) => ({
    name,
    meaning: variable.meaning,
    ...('fallback' in variable ? { fallback: variable.fallback } : {}),
  }));

/** What could be read of a configuration; a value that is wrong or absent is undefined. */
export type InspectedConfig = ReturnType<typeof inspectConfig>;

type Inspected = InspectedConfig['config'];

/** What a command may do without. */
type Optional = 'credentials' | 'proxy' | 'protectedRoomsFile';

export type Config = Complete<Omit<Inspected, Optional>> & Pick<Inspected, Optional>;

export type StoreConfig = Pick<Config, 'queueUrl' | 'databaseUrl' | 'dataDir'> &
  Partial<Pick<Config, 'queuePrefix'>>;

type Complete<Values> = { [Name in keyof Values]: Exclude<Values[Name], undefined> };

function isComplete<Values extends object>(values: Values): values is Values & Complete<Values> {
  return Object.values(values).every((value) => value !== undefined);
}

export interface ConfigNeeds {
  /** Whether the command concerns an app, and so needs its SDKAppID. */
  app: boolean;
  /** Whether the command signs requests and so needs the secret key. */
  credentials: boolean;
}

/**
 * Reads the configuration.
 *
 * @param environment - the variables, of the process or of a `.env` file; an empty value counts as absent.
 * @param needs - what the command cannot do without.
 * @throws ReaperError `INVALID` that lists every problem at once, each with its variable.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  needs: ConfigNeeds,
): Readonly<Config> {
  const { config, problems } = inspectConfig(environment, needs);
  const { credentials, proxy, protectedRoomsFile, ...rest } = config;
  const required = { ...rest, sdkAppId: rest.sdkAppId ?? 0 };
  if (problems.length > 0 || !isComplete(required)) {
    throw new ReaperError(
      'INVALID',
      `the configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n` +
        problems.map((problem) => `  ${problem}`).join('\n'),
    );
  }
  return Object.freeze({ ...required, credentials, proxy, protectedRoomsFile });
}

/** The same for whoever goes on with what is right (`doctor`). */
export function inspectConfig(
  environment: Readonly<Record<string, string | undefined>>,
  needs: ConfigNeeds,
) {
  const problems: string[] = [];

  function read<N extends VariableName>(
    name: N,
    value: string | undefined = environment[name],
  ): Values[N] | undefined {
    const variable = checks[name];
    const text = value === '' || value === undefined ? variable.fallback : value;
    if (text === undefined) return undefined;
    const result = variable.schema.safeParse(text);
    if (result.success) return result.data;
    const rule = result.error.issues[0]?.message ?? 'is not valid';
    // A key must not be shown, not even a wrong one.
    const shown =
      name === 'TENCENT_SECRET_KEY' ? '' : `, got ${JSON.stringify(withoutPassword(text))}`;
    problems.push(`${name} ${rule}${shown}`);
    return undefined;
  }

  const sdkAppId = read('TENCENT_SDK_APP_ID');
  if (needs.app && sdkAppId === undefined && !environment['TENCENT_SDK_APP_ID']) {
    problems.push('TENCENT_SDK_APP_ID must be set to the SDKAppID of your app');
  }
  const region = read('TENCENT_REGION');
  const ownEndpoint = read('TENCENT_ENDPOINT');
  const adminIdentifier = read('TENCENT_ADMIN_IDENTIFIER');
  const secretKey = needs.credentials ? readSecretKey() : undefined;

  function readSecretKey(): string | undefined {
    if (!environment['TENCENT_SECRET_KEY'] && !environment['TENCENT_SECRET_KEY_FILE']) {
      problems.push(
        'TENCENT_SECRET_KEY (or TENCENT_SECRET_KEY_FILE) must be set to the key of your app',
      );
    }
    return readSecret('TENCENT_SECRET_KEY');
  }

  /** Of what holds a secret the value, or that of the file which is named instead. */
  function readSecret<N extends keyof typeof secrets>(name: N): Values[N] | undefined {
    const file = environment[`${name}_FILE`];
    if (!file) return read(name);
    if (environment[name]) {
      problems.push(`${name} and ${name}_FILE must not both be set; keep one`);
      return undefined;
    }
    try {
      const text = readFileSync(file, 'utf8').trim();
      if (text !== '') return read(name, text);
      problems.push(`${name}_FILE must hold ${secrets[name]}; ${JSON.stringify(file)} does not`);
    } catch (error) {
      const { code = 'unreadable' } = error as NodeJS.ErrnoException;
      // What names no file may be the secret itself, put into the wrong variable.
      const shown = /^(ENOENT|ENOTDIR|ENAMETOOLONG|ERR_INVALID_ARG_VALUE)$/.test(code)
        ? `a name that no file has (${code}); it is not shown, since it may be the secret itself, which goes into ${name}`
        : `${JSON.stringify(file)} (${code})`;
      problems.push(`${name}_FILE must be a readable file, got ${shown}`);
    }
    return undefined;
  }

  // A wrong endpoint must not turn into that of the default region: it would be sent a signature.
  const endpointIsWrong =
    region === undefined || (ownEndpoint === undefined && Boolean(environment['TENCENT_ENDPOINT']));
  /** Absent where the command signs nothing (enqueue, status). */
  const credentials: Credentials | undefined =
    secretKey !== undefined && sdkAppId !== undefined && adminIdentifier !== undefined
      ? Object.freeze({ sdkAppId, secretKey, adminIdentifier })
      : undefined;
  const base = endpointIsWrong
    ? undefined
    : (ownEndpoint ?? regionEndpoint(region)).replace(/\/$/, '');
  const { proxy, problem } = chooseProxy(environment, needs.credentials ? base : undefined);
  if (problem !== undefined) problems.push(problem);
  const config = {
    sdkAppId,
    credentials,
    /** Base URL of the API, without a trailing slash. */
    endpoint: base,
    /** Through which the API is reached (HTTPS_PROXY); undefined: directly. */
    proxy,
    queueUrl: readSecret('QUEUE_URL'),
    queuePrefix: read('QUEUE_PREFIX'),
    databaseUrl: readSecret('DATABASE_URL'),
    dataDir: read('ROOM_REAPER_DATA_DIR'),
    rateLimitPerSecond: read('RATE_LIMIT_PER_SECOND'),
    arrivalJitterMs: read('ARRIVAL_JITTER_MS'),
    workerConcurrency: read('WORKER_CONCURRENCY'),
    requestTimeoutMs: read('REQUEST_TIMEOUT_MS'),
    deadlineHours: read('DESTROY_DEADLINE_HOURS'),
    laterRetries: read('LATER_RETRIES'),
    failedJobsDays: read('FAILED_JOBS_DAYS'),
    /** Path of the list of rooms that are never destroyed. */
    protectedRoomsFile: read('PROTECTED_ROOMS_FILE'),
    logLevel: read('LOG_LEVEL'),
  };
  const saysLedger = environment['DATABASE_URL'] || environment['DATABASE_URL_FILE'];
  if (needs.app && isServer(config.queueUrl) && !saysLedger) {
    problems.push(
      'DATABASE_URL must be set where QUEUE_URL is a server: without it each machine would have a ledger of its own, and send at the full quota; set it to the Postgres of all workers, or to embedded where this machine is the only one',
    );
  }
  return { config, problems };
}

const isServer = (url: string | undefined) => url !== undefined && url !== 'embedded';
