/**
 * The configuration: one schema gives types, defaults, checks and the text of the
 * documentation (docs/operations.md is held to it by a test). It is parsed once, at
 * the entry of the program, frozen, and passed down.
 */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { ReaperError } from './errors.js';
import { withoutPassword } from './redact.js';
import type { Credentials } from './tencent/credentials.js';
import { regionEndpoint } from './tencent/endpoint.js';
import { chooseProxy } from './tencent/proxy.js';
import type { VariableName } from './variable-names.js';
import { variables } from './variables.js';

export { variableTable } from './variables.js';
export type { VariableName };

/** What may be in a file of its own, under the name with `_FILE` behind it. */
const secrets = {
  TENCENT_SECRET_KEY: 'the secret key of the app',
  QUEUE_URL: 'the URL of the queue',
  DATABASE_URL: 'the URL of the ledger',
  NOTIFY_SECRET: 'the secret that signs events',
  TENCENT_WEBHOOK_TOKEN: 'the token that signs what the API tells',
} as const satisfies Partial<Record<VariableName, string>>;

type Values = { [Name in VariableName]: z.output<(typeof variables)[Name]['schema']> };

/** The same, seen so that a name gives the type of its value. */
const checks: {
  readonly [Name in VariableName]: { schema: z.ZodType<Values[Name]>; fallback?: string };
} = variables;

/** What could be read of a configuration; a value that is wrong or absent is undefined. */
export type InspectedConfig = ReturnType<typeof inspectConfig>;

type Inspected = InspectedConfig['config'];

/** What a command may do without. */
type Optional =
  | 'credentials'
  | 'webhookToken'
  | 'proxy'
  | 'protectedRoomsFile'
  | 'serveTokensFile'
  | 'serveLabel'
  | 'notify'
  | 'metricsPort'
  | 'workerMetricsPort';

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
  const { credentials, webhookToken, proxy, protectedRoomsFile, ...others } = config;
  const { serveTokensFile, serveLabel, notify, ...further } = others;
  const { metricsPort, workerMetricsPort, ...rest } = further;
  const required = { ...rest, sdkAppId: rest.sdkAppId ?? 0 };
  if (problems.length > 0 || !isComplete(required)) {
    throw new ReaperError(
      'INVALID',
      `the configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n` +
        problems.map((problem) => `  ${problem}`).join('\n'),
    );
  }
  return Object.freeze({
    ...required,
    ...{ credentials, webhookToken, proxy, protectedRoomsFile },
    ...{ serveTokensFile, serveLabel, notify, metricsPort, workerMetricsPort },
  });
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
    // A key must not be shown, not even a wrong one; nor what may hold one in its path.
    const isSecret = [
      ...['TENCENT_SECRET_KEY', 'TENCENT_WEBHOOK_TOKEN', 'NOTIFY_SECRET', 'NOTIFY_URL'],
    ].includes(name);
    const shown = isSecret ? '' : `, got ${JSON.stringify(withoutPassword(text))}`;
    problems.push(`${name} ${rule}${shown}`);
    return undefined;
  }

  const hasProblemWith = (name: VariableName) =>
    problems.some((problem) => problem.startsWith(name));

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
  const notifyUrl = read('NOTIFY_URL');
  const notifySecret = readSecret('NOTIFY_SECRET');
  if (notifyUrl !== undefined && notifySecret === undefined && !hasProblemWith('NOTIFY_SECRET'))
    problems.push(
      'NOTIFY_SECRET (or NOTIFY_SECRET_FILE) must be set where NOTIFY_URL is: echo "whsec_$(openssl rand -base64 32)"',
    );
  const notify =
    notifyUrl === undefined || notifySecret === undefined
      ? undefined
      : Object.freeze({ url: notifyUrl, secret: notifySecret });
  const metricsPort = read('METRICS_PORT');
  const workerMetricsPort = read('WORKER_METRICS_PORT');
  if (metricsPort !== undefined && metricsPort === workerMetricsPort) {
    problems.push(
      `WORKER_METRICS_PORT must be another port than METRICS_PORT, got ${workerMetricsPort} for both; each process tells what it did itself`,
    );
  }
  const config = {
    sdkAppId,
    credentials,
    /** Base URL of the API, without a trailing slash. */
    endpoint: base,
    /** Signs what the API tells of rooms that end; undefined: only tokens of ours count there. */
    webhookToken: readSecret('TENCENT_WEBHOOK_TOKEN'),
    /** Through which the API is reached (HTTPS_PROXY); undefined: directly. */
    proxy,
    queueUrl: readSecret('QUEUE_URL'),
    queuePrefix: read('QUEUE_PREFIX'),
    databaseUrl: readSecret('DATABASE_URL'),
    dataDir: read('ROOM_REAPER_DATA_DIR'),
    rateLimitPerSecond: read('RATE_LIMIT_PER_SECOND'),
    statsRateLimitPerSecond: read('STATS_RATE_LIMIT_PER_SECOND'),
    arrivalJitterMs: read('ARRIVAL_JITTER_MS'),
    workerConcurrency: read('WORKER_CONCURRENCY'),
    requestTimeoutMs: read('REQUEST_TIMEOUT_MS'),
    deadlineHours: read('DESTROY_DEADLINE_HOURS'),
    laterRetries: read('LATER_RETRIES'),
    failedJobsDays: read('FAILED_JOBS_DAYS'),
    /** Path of the list of rooms that are never destroyed. */
    protectedRoomsFile: read('PROTECTED_ROOMS_FILE'),
    serveHost: read('SERVE_HOST'),
    servePort: read('SERVE_PORT'),
    /** Begins with a slash. */
    serveBasePath: read('SERVE_BASE_PATH'),
    serveAllowedHosts: read('SERVE_ALLOWED_HOSTS') ?? [],
    /** Path of the tokens of the HTTP API; undefined: they are in the ledger. */
    serveTokensFile: read('SERVE_TOKENS_FILE'),
    /** What the pages say above all: which of several services it is. */
    serveLabel: read('SERVE_LABEL'),
    /** Where events go, and what signs them; undefined: nobody is told. */
    notify,
    /** Undefined: metrics and health are not served. */
    metricsPort,
    workerMetricsPort,
    logLevel: read('LOG_LEVEL'),
  };
  const saysLedger = environment['DATABASE_URL'] || environment['DATABASE_URL_FILE'];
  if (needs.app && isServer(config.queueUrl) && !saysLedger) {
    problems.push(
      'DATABASE_URL must be set where QUEUE_URL is a server: without it each machine would have a ledger of its own, and send at the full quota; set it to the Postgres of all workers, or to embedded where this machine is the only one',
    );
  }
  /** What is right and surely not meant. */
  const warnings =
    notifySecret !== undefined && !environment['NOTIFY_URL']
      ? ['NOTIFY_SECRET is set and NOTIFY_URL is not, so `serve` tells nobody; set it too']
      : [];
  return { config, problems, warnings };
}

const isServer = (url: string | undefined) => url !== undefined && url !== 'embedded';
