import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '../src/environment.js';
import { nearMisses } from '../src/variable-names.js';
import {
  inspectConfig,
  readConfig,
  variableTable,
  type Config,
  type ConfigNeeds,
  type VariableName,
} from '../src/config.js';
import { ReaperError } from '../src/errors.js';

const KEY = 'the-secret-key-of-the-app-0123456789';
const complete = { TENCENT_SDK_APP_ID: '1400000001', TENCENT_SECRET_KEY: KEY };
const everything: ConfigNeeds = { app: true, credentials: true };

const directory = mkdtempSync(join(tmpdir(), 'room-reaper-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

type Environment = Record<string, string | undefined>;

const read = (environment: Environment) => readConfig({ ...complete, ...environment }, everything);

/** What is wrong with a configuration, one line each. */
function problemsOf(environment: Environment, needs = everything): string[] {
  try {
    readConfig(environment, needs);
  } catch (error) {
    expect(error).toBeInstanceOf(ReaperError);
    expect(error).toMatchObject({ code: 'INVALID' });
    return (error as ReaperError).message.split('\n').slice(1);
  }
  return [];
}

function fileWith(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test('the contract of the configuration: every variable and its default', () => {
  expect(Object.fromEntries(variableTable.map(({ name, fallback }) => [name, fallback]))).toEqual({
    TENCENT_SDK_APP_ID: undefined,
    TENCENT_SECRET_KEY: undefined,
    TENCENT_SECRET_KEY_FILE: undefined,
    TENCENT_ADMIN_IDENTIFIER: 'administrator',
    TENCENT_REGION: 'china',
    TENCENT_ENDPOINT: undefined,
    TENCENT_WEBHOOK_TOKEN: undefined,
    TENCENT_WEBHOOK_TOKEN_FILE: undefined,
    QUEUE_URL: 'embedded',
    QUEUE_PREFIX: 'bull',
    DATABASE_URL: 'embedded',
    ROOM_REAPER_DATA_DIR: '.room-reaper',
    RATE_LIMIT_PER_SECOND: '200',
    STATS_RATE_LIMIT_PER_SECOND: '100',
    ARRIVAL_JITTER_MS: '20',
    WORKER_CONCURRENCY: '100',
    REQUEST_TIMEOUT_MS: '8000',
    DESTROY_DEADLINE_HOURS: '24',
    LATER_RETRIES: '8',
    FAILED_JOBS_DAYS: '14',
    SERVE_HOST: '127.0.0.1',
    SERVE_PORT: '8700',
    SERVE_BASE_PATH: '/',
    SERVE_ALLOWED_HOSTS: undefined,
    SERVE_TOKENS_FILE: undefined,
    SERVE_LABEL: undefined,
    LOG_LEVEL: 'info',
  });
});

const defaults: Config = {
  sdkAppId: 1_400_000_001,
  credentials: { sdkAppId: 1_400_000_001, secretKey: KEY, adminIdentifier: 'administrator' },
  endpoint: 'https://console.tim.qq.com',
  webhookToken: undefined,
  proxy: undefined,
  queueUrl: 'embedded',
  queuePrefix: 'bull',
  databaseUrl: 'embedded',
  dataDir: '.room-reaper',
  rateLimitPerSecond: 200,
  statsRateLimitPerSecond: 100,
  arrivalJitterMs: 20,
  workerConcurrency: 100,
  requestTimeoutMs: 8_000,
  deadlineHours: 24,
  laterRetries: 8,
  failedJobsDays: 14,
  protectedRoomsFile: undefined,
  serveHost: '127.0.0.1',
  servePort: 8700,
  serveBasePath: '/',
  serveAllowedHosts: [],
  serveTokensFile: undefined,
  serveLabel: undefined,
  notify: undefined,
  metricsPort: undefined,
  workerMetricsPort: undefined,
  logLevel: 'info',
};

test('an app and its key are enough: the rest has defaults', () => {
  expect(readConfig(complete, everything)).toEqual(defaults);
});

test('two processes have no port of metrics together', () => {
  const ports = { METRICS_PORT: '9464', WORKER_METRICS_PORT: '9465' };
  expect(readConfig({ ...complete, ...ports }, everything)).toMatchObject({
    ...{ metricsPort: 9464, workerMetricsPort: 9465 },
  });
  const one = { ...ports, WORKER_METRICS_PORT: '9464' };
  expect(() => readConfig({ ...complete, ...one }, everything)).toThrow(
    'WORKER_METRICS_PORT must be another port than METRICS_PORT, got 9464 for both',
  );
});

test('an empty value counts as absent', () => {
  const empty = Object.fromEntries(variableTable.map(({ name }) => [name, '']));
  expect(readConfig({ ...empty, ...complete }, everything)).toEqual(defaults);
});

test('it cannot be changed once it is read', () => {
  const config = readConfig(complete, everything);
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.credentials)).toBe(true);
});

describe('a valid value is taken', () => {
  test.each<[name: VariableName, value: string, expected: Partial<Config>]>([
    ['TENCENT_REGION', 'singapore', { endpoint: 'https://adminapisgp.im.qcloud.com' }],
    ['TENCENT_REGION', 'usa', { endpoint: 'https://adminapiusa.im.qcloud.com' }],
    ['TENCENT_REGION', 'jakarta', { endpoint: 'https://adminapiidn.im.qcloud.com' }],
    ['TENCENT_ENDPOINT', 'https://api.example', { endpoint: 'https://api.example' }],
    ['TENCENT_ENDPOINT', 'https://api.example:8443/', { endpoint: 'https://api.example:8443' }],
    ['TENCENT_ENDPOINT', 'http://127.0.0.1:8080', { endpoint: 'http://127.0.0.1:8080' }],
    ['TENCENT_ENDPOINT', 'http://127.1.2.3', { endpoint: 'http://127.1.2.3' }],
    ['TENCENT_ENDPOINT', 'http://localhost:8080/', { endpoint: 'http://localhost:8080' }],
    ['TENCENT_ENDPOINT', 'http://[::1]:8080', { endpoint: 'http://[::1]:8080' }],
    ['QUEUE_URL', 'redis://h:6379/1', { queueUrl: 'redis://h:6379/1' }],
    ['QUEUE_URL', 'redis://h/?family=6', { queueUrl: 'redis://h/?family=6' }],
    ['QUEUE_URL', 'rediss://:pw@h', { queueUrl: 'rediss://:pw@h' }],
    ...[
      'redis-sentinel://h/#main',
      'redis-sentinel://u:p%23%2F@h1:26379,[::1]:26380,h3/2?sentinelPassword=p#main',
      'rediss-sentinel://h1,h2?sentinelUsername=u&sentinelPassword=p&family=4#a%20b',
      'redis-cluster://h1,h2:6380/0',
      'rediss-cluster://u:p@h1',
    ].map(
      (url) => ['QUEUE_URL', url, { queueUrl: url }] as [VariableName, string, Partial<Config>],
    ),
    ...['a', 'team-1.rooms_x', '{team}', 'a{b}c'].map(
      (prefix) =>
        ['QUEUE_PREFIX', prefix, { queuePrefix: prefix }] as [
          VariableName,
          string,
          Partial<Config>,
        ],
    ),
    ['QUEUE_URL', 'postgres://u:p@h/d', { queueUrl: 'postgres://u:p@h/d' }],
    ['QUEUE_URL', 'postgresql://h/d', { queueUrl: 'postgresql://h/d' }],
    ['DATABASE_URL', 'postgres://u:p@h/d?ssl=1', { databaseUrl: 'postgres://u:p@h/d?ssl=1' }],
    ['DATABASE_URL', 'postgresql://h/d', { databaseUrl: 'postgresql://h/d' }],
    ['DATABASE_URL', 'postgres:///d?host=/run/pg', { databaseUrl: 'postgres:///d?host=/run/pg' }],
    ['DATABASE_URL', 'postgres://u:p@/d?host=/run', { databaseUrl: 'postgres://u:p@/d?host=/run' }],
    ['ROOM_REAPER_DATA_DIR', '/var/lib/rr', { dataDir: '/var/lib/rr' }],
    ['RATE_LIMIT_PER_SECOND', '0.5', { rateLimitPerSecond: 0.5 }],
    ['RATE_LIMIT_PER_SECOND', '100000', { rateLimitPerSecond: 100_000 }],
    ['STATS_RATE_LIMIT_PER_SECOND', '20', { statsRateLimitPerSecond: 20 }],
    ['ARRIVAL_JITTER_MS', '0', { arrivalJitterMs: 0 }],
    ['ARRIVAL_JITTER_MS', '1000', { arrivalJitterMs: 1_000 }],
    ['WORKER_CONCURRENCY', '1', { workerConcurrency: 1 }],
    ['WORKER_CONCURRENCY', '10000', { workerConcurrency: 10_000 }],
    ['REQUEST_TIMEOUT_MS', '100', { requestTimeoutMs: 100 }],
    ['REQUEST_TIMEOUT_MS', '600000', { requestTimeoutMs: 600_000 }],
    ['DESTROY_DEADLINE_HOURS', '0.25', { deadlineHours: 0.25 }],
    ['DESTROY_DEADLINE_HOURS', '8760', { deadlineHours: 8_760 }],
    ['LATER_RETRIES', '0', { laterRetries: 0 }],
    ['LATER_RETRIES', '1000', { laterRetries: 1_000 }],
    ['SERVE_HOST', '::', { serveHost: '::' }],
    ['SERVE_PORT', '0', { servePort: 0 }],
    ['SERVE_BASE_PATH', '/a/b-c/', { serveBasePath: '/a/b-c/' }],
    ['SERVE_ALLOWED_HOSTS', 'Reaper.example, b', { serveAllowedHosts: ['reaper.example', 'b'] }],
    ['SERVE_TOKENS_FILE', '/run/t', { serveTokensFile: '/run/t' }],
    ['SERVE_LABEL', '北京 live', { serveLabel: { text: '北京 live', colour: 'grey' } }],
    ['SERVE_LABEL', 'production:red', { serveLabel: { text: 'production', colour: 'red' } }],
    ['FAILED_JOBS_DAYS', '1', { failedJobsDays: 1 }],
    ['FAILED_JOBS_DAYS', '3650', { failedJobsDays: 3_650 }],
    ['LOG_LEVEL', 'silent', { logLevel: 'silent' }],
    ['LOG_LEVEL', 'trace', { logLevel: 'trace' }],
  ])('%s=%s', (name, value, expected) => {
    const given = { DATABASE_URL: 'embedded', [name]: value };
    expect(read(given)).toEqual({ ...defaults, ...expected });
  });

  test.each(['redis://h', 'rediss://h', 'postgres://h/d'])(
    'a queue at %s needs its ledger named: machines with one each would send at the full quota each',
    (queueUrl) => {
      expect(() => read({ QUEUE_URL: queueUrl })).toThrow(/DATABASE_URL must be set/);
      expect(() => read({ QUEUE_URL: queueUrl, DATABASE_URL: '' })).toThrow(/DATABASE_URL must/);
      expect(read({ QUEUE_URL: queueUrl, DATABASE_URL: 'embedded' })).toMatchObject({ queueUrl });
      const unseen = { app: false, credentials: false };
      expect(readConfig({ QUEUE_URL: queueUrl }, unseen)).toMatchObject({ queueUrl });
    },
  );

  test('TENCENT_SDK_APP_ID and TENCENT_ADMIN_IDENTIFIER reach the credentials', () => {
    const config = read({ TENCENT_SDK_APP_ID: '4294967295', TENCENT_ADMIN_IDENTIFIER: 'boss' });
    expect(config.sdkAppId).toBe(4_294_967_295);
    expect(config.credentials).toEqual({
      sdkAppId: 4_294_967_295,
      secretKey: KEY,
      adminIdentifier: 'boss',
    });
  });

  test('the endpoint goes before the region', () => {
    const both = { TENCENT_REGION: 'usa', TENCENT_ENDPOINT: 'https://api.example' };
    expect(read(both).endpoint).toBe('https://api.example');
  });
});

describe('an invalid value is refused, with its variable, the rule and what it got', () => {
  test.each<[name: VariableName, value: string]>([
    ['TENCENT_SDK_APP_ID', '0'],
    ['TENCENT_SDK_APP_ID', '-5'],
    ['TENCENT_SDK_APP_ID', '1.5'],
    ['TENCENT_SDK_APP_ID', '1e9'],
    ['TENCENT_SDK_APP_ID', '0x10'],
    ['TENCENT_SDK_APP_ID', ' 1400000001'],
    ['TENCENT_SDK_APP_ID', '4294967296'],
    ['TENCENT_SDK_APP_ID', 'NaN'],
    ['TENCENT_ADMIN_IDENTIFIER', 'x'.repeat(65)],
    ['TENCENT_REGION', 'China'],
    ['TENCENT_REGION', 'constructor'],
    ['TENCENT_ENDPOINT', 'api.example'],
    ['TENCENT_ENDPOINT', 'http://api.example'],
    ['TENCENT_ENDPOINT', 'http://127.0.0.1.example'],
    ['TENCENT_ENDPOINT', 'http://localhost.example'],
    ['TENCENT_ENDPOINT', 'http://0.0.0.0'],
    ['TENCENT_ENDPOINT', 'http://10.0.0.1'],
    ['TENCENT_ENDPOINT', 'ftp://127.0.0.1'],
    ['TENCENT_ENDPOINT', 'file:///etc/passwd'],
    ['TENCENT_ENDPOINT', 'https://api.example/v4'],
    ['TENCENT_ENDPOINT', 'https://api.example/?'],
    ['TENCENT_ENDPOINT', 'https://api.example/#'],
    ['QUEUE_URL', 'embeded'],
    ['QUEUE_URL', 'localhost:6379'],
    ['QUEUE_URL', 'mysql://h/d'],
    ['QUEUE_URL', 'redis://h/mydb'],
    ['QUEUE_URL', 'redis://h/0/1'],
    ['QUEUE_URL', 'rediss://h/-1'],
    ['QUEUE_URL', 'redis://'],
    ['QUEUE_URL', 'redis://h:99999'],
    ['QUEUE_URL', 'redis://h1,h2'],
    ['QUEUE_URL', 'redis-sentinel://h1,h2'],
    ['QUEUE_URL', 'redis-sentinel://h1,/0'],
    ['QUEUE_URL', 'redis-sentinel:///0'],
    ['QUEUE_URL', 'redis-sentinel://h1,h2:port/0'],
    ['QUEUE_URL', 'redis-sentinel://h1,h2/main'],
    ['QUEUE_URL', 'redis-cluster://h1,h2/1'],
    ['QUEUE_URL', 'redis-cluster://h1,,h2'],
    ['QUEUE_URL', 'redis-cluster://h1;h2'],
    ['QUEUE_URL', 'redis-clusters://h1'],
    ...[
      'a b',
      'a:b',
      'bull:',
      '"bull"',
      '{}',
      '{a',
      'a}',
      '{a}{b}',
      '{{a}}',
      'é',
      'x'.repeat(65),
    ].map((prefix) => ['QUEUE_PREFIX', prefix] as [VariableName, string]),
    ['QUEUE_URL', 'REDIS://h'],
    ['QUEUE_URL', ' redis://h'],
    ['DATABASE_URL', 'postgres://h/%'],
    ['DATABASE_URL', 'redis://h'],
    ['DATABASE_URL', 'h'],
    ['RATE_LIMIT_PER_SECOND', '0'],
    ['RATE_LIMIT_PER_SECOND', '-1'],
    ['RATE_LIMIT_PER_SECOND', '100001'],
    ['RATE_LIMIT_PER_SECOND', 'Infinity'],
    ['RATE_LIMIT_PER_SECOND', '200/s'],
    ['RATE_LIMIT_PER_SECOND', '10.5'],
    ['ARRIVAL_JITTER_MS', '-1'],
    ['ARRIVAL_JITTER_MS', '1001'],
    ['ARRIVAL_JITTER_MS', '1.5'],
    ['WORKER_CONCURRENCY', '0'],
    ['WORKER_CONCURRENCY', '10001'],
    ['REQUEST_TIMEOUT_MS', '99'],
    ['REQUEST_TIMEOUT_MS', '600001'],
    ['REQUEST_TIMEOUT_MS', '8s'],
    ['DESTROY_DEADLINE_HOURS', '0'],
    ['DESTROY_DEADLINE_HOURS', '8761'],
    ['DESTROY_DEADLINE_HOURS', '1d'],
    ['LATER_RETRIES', '-1'],
    ['LATER_RETRIES', '1001'],
    ['FAILED_JOBS_DAYS', '0'],
    ['FAILED_JOBS_DAYS', '3651'],
    ['SERVE_HOST', 'http://h'],
    ['SERVE_PORT', '65536'],
    ['SERVE_BASE_PATH', 'reaper'],
    ['SERVE_BASE_PATH', '/a/../b'],
    ['SERVE_BASE_PATH', '//h'],
    ['SERVE_ALLOWED_HOSTS', 'h:8700'],
    ['LOG_LEVEL', 'loud'],
    ['LOG_LEVEL', 'INFO'],
  ])('%s=%s', (name, value) => {
    const problems = problemsOf({ ...complete, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^ {2}${name} must be .*, got `));
    expect(problems[0]).toContain(JSON.stringify(value));
  });

  test.each([
    'https://user@api.example',
    'https://user:hunter2@api.example',
    'https://:hunter2@api.example',
    'https://api.example/?usersig=hunter2',
  ])('TENCENT_ENDPOINT=%s, whose credentials or query are not shown', (value) => {
    const problems = problemsOf({ ...complete, TENCENT_ENDPOINT: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('without path, query or credentials');
    expect(problems[0]).not.toContain('hunter2');
  });
});

test('all problems are listed at once', () => {
  const problems = problemsOf({
    TENCENT_REGION: 'moon',
    RATE_LIMIT_PER_SECOND: '0',
    LATER_RETRIES: 'many',
    QUEUE_URL: 'x',
  });
  const names = problems.map((problem) => /[A-Z_]+/.exec(problem)?.[0]);
  expect(names.sort()).toEqual([
    'LATER_RETRIES',
    'QUEUE_URL',
    'RATE_LIMIT_PER_SECOND',
    'TENCENT_REGION',
    'TENCENT_SDK_APP_ID',
    'TENCENT_SECRET_KEY',
  ]);
});

describe('what a command needs', () => {
  test.each<[rule: string, environment: Environment, needs: ConfigNeeds, names: string[]]>([
    ['nothing', {}, { app: false, credentials: false }, []],
    ['the app', {}, { app: true, credentials: false }, ['TENCENT_SDK_APP_ID']],
    ['both', {}, everything, ['TENCENT_SDK_APP_ID', 'TENCENT_SECRET_KEY']],
    ['both, and has the app', { TENCENT_SDK_APP_ID: '1' }, everything, ['TENCENT_SECRET_KEY']],
    ['both, and has the key', { TENCENT_SECRET_KEY: KEY }, everything, ['TENCENT_SDK_APP_ID']],
  ])('%s: what is missing is named', (_rule, environment, needs, names) => {
    const problems = problemsOf(environment, needs);
    expect(problems).toHaveLength(names.length);
    for (const [index, name] of names.entries()) {
      expect(problems[index]).toMatch(new RegExp(`^ {2}${name} .*must be set`));
    }
  });

  test('a command that signs nothing gets no key, though one is there', () => {
    const config = readConfig(complete, { app: true, credentials: false });
    expect(config.credentials).toBeUndefined();
    expect(JSON.stringify(config)).not.toContain(KEY);
  });

  test('a command that signs nothing does not open the file of the key', () => {
    const environment = { TENCENT_SDK_APP_ID: '1', TENCENT_SECRET_KEY_FILE: '/nowhere/key' };
    expect(problemsOf(environment, { app: true, credentials: false })).toEqual([]);
  });
});

describe('the secret key', () => {
  const app = { TENCENT_SDK_APP_ID: '1400000001' };

  test('is read from a file, without the line break at its end', () => {
    const path = fileWith('key', `${KEY}\r\n`);
    const config = readConfig({ ...app, TENCENT_SECRET_KEY_FILE: path }, everything);
    expect(config.credentials?.secretKey).toBe(KEY);
  });

  test.each<[rule: string, environment: () => Environment, expected: RegExp]>([
    [
      'set twice',
      () => ({ TENCENT_SECRET_KEY: KEY, TENCENT_SECRET_KEY_FILE: fileWith('twice', 'hunter2') }),
      /TENCENT_SECRET_KEY and TENCENT_SECRET_KEY_FILE must not both be set/,
    ],
    [
      'in an empty file',
      () => ({ TENCENT_SECRET_KEY_FILE: fileWith('empty', '\n') }),
      /TENCENT_SECRET_KEY_FILE must hold the secret key/,
    ],
    [
      'in a file that is not there',
      () => ({ TENCENT_SECRET_KEY_FILE: join(directory, 'nowhere') }),
      /TENCENT_SECRET_KEY_FILE must be a readable file, got .*ENOENT/,
    ],
    [
      'given where the name of its file belongs',
      () => ({ TENCENT_SECRET_KEY_FILE: KEY }),
      /TENCENT_SECRET_KEY_FILE .*ENOENT.*goes into TENCENT_SECRET_KEY$/,
    ],
    [
      'given there, longer than the name of any file',
      () => ({ TENCENT_SECRET_KEY_FILE: KEY.repeat(100) }),
      /TENCENT_SECRET_KEY_FILE .*ENAMETOOLONG.*goes into TENCENT_SECRET_KEY$/,
    ],
    [
      'given there, with slashes in it',
      () => ({ TENCENT_SECRET_KEY_FILE: `/etc/passwd/${KEY}` }),
      /TENCENT_SECRET_KEY_FILE .*ENOTDIR.*goes into TENCENT_SECRET_KEY$/,
    ],
    [
      'in a directory',
      () => ({ TENCENT_SECRET_KEY_FILE: directory }),
      /TENCENT_SECRET_KEY_FILE must be a readable file, got .*EISDIR/,
    ],
  ])('%s: refused, and not shown', (_rule, environment, expected) => {
    const problems = problemsOf({ ...app, ...environment() });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
    expect(problems[0]).not.toContain('hunter2');
    expect(problems[0]).not.toContain(KEY);
  });

  test.each(['QUEUE_URL', 'DATABASE_URL'] as const)(
    'as a file of its own: %s_FILE does the same for a URL with a password',
    (name) => {
      const url = 'postgres://u:hunter2@h/d';
      // A queue on a server wants to be told where the ledger is.
      const ledger = name === 'QUEUE_URL' ? { DATABASE_URL: 'embedded' } : {};
      const config = readConfig(
        {
          ...app,
          ...ledger,
          TENCENT_SECRET_KEY: KEY,
          [`${name}_FILE`]: fileWith(name, `${url}\n`),
        },
        everything,
      );
      expect([config.queueUrl, config.databaseUrl]).toContain(url);
      const refused: [Environment, RegExp][] = [
        [{ [`${name}_FILE`]: fileWith(`${name}-bad`, 'amqp://u:hunter2@h') }, / must be .*\/\//],
        [{ [name]: url, [`${name}_FILE`]: fileWith(name, url) }, /must not both be set/],
        [{ [`${name}_FILE`]: url }, /must be a readable file.*is not shown/],
        [{ [`${name}_FILE`]: fileWith(`${name}-empty`, '') }, /must hold the URL of the /],
      ];
      for (const [environment, expected] of refused) {
        const problems = problemsOf({ ...app, ...ledger, TENCENT_SECRET_KEY: KEY, ...environment });
        expect(problems).toEqual([expect.stringMatching(expected)]);
        expect(problems[0]).not.toContain('hunter2');
      }
    },
  );

  test('under a name with a typing error is not shown', () => {
    const environment = { ...app, TENCENT_SECRETKEY: 'hunter2' };
    const [miss] = nearMisses(environment);
    expect(miss?.problem).toContain('TENCENT_SECRETKEY is not a known variable');
    expect([miss?.problem, ...problemsOf(environment)].join('\n')).not.toContain('hunter2');
  });
});

test.each([
  ['redis://h?db=mydb', /behind a \?, got "redis:\/\/h/],
  ['redis://h/0?retryStrategy=1', /behind a \?/],
  ['redis://h/0?keyPrefix=x', /behind a \?/],
  ['redis-cluster://h?sentinelPassword=x', /behind a \?/],
  ['redis-cluster://h?db=1', /without the number/],
  ['redis-sentinel://h1,h2/0', /ends with the name of the primary/],
  ['redis-sentinel://:100%@h1,h2/0#main', /as %25, got "redis-sentinel:\/\/:\*\*\*@h1/],
  ['redis://:100%@h', /as %25, got "redis:\/\/:\*\*\*@h/],
])('a URL of Redis that ioredis would take for something else: %s', (QUEUE_URL, message) => {
  const { problems } = inspectConfig({ QUEUE_URL }, { app: false, credentials: false });
  expect(problems).toEqual([expect.stringMatching(message)]);
});

describe('the password of a URL is never shown', () => {
  test.each<[name: VariableName, value: string]>([
    ['QUEUE_URL', 'http://user:hunter2@host'],
    ['QUEUE_URL', 'mysql://:hunter2@host/d'],
    ['DATABASE_URL', 'redis://user:hunter2@host'],
    ['DATABASE_URL', 'mysql://host/d?password=hunter2'],
    // What happens to a password with characters that a URL wants encoded.
    ['DATABASE_URL', 'postgres://user:hunter2#1@host/d'],
    ['QUEUE_URL', 'redis://:hunter2@host:port'],
    ['QUEUE_URL', 'redis-sentinel://:hunter2@h1,h2'],
    ['QUEUE_URL', 'redis-sentinel://:#hunter2@h1,h2/0#main'],
    ['QUEUE_URL', 'redis-cluster://:hunter2@h1,h2:port'],
    // Without the scheme.
    ['QUEUE_URL', 'user:hunter2@host:6379'],
    ['QUEUE_URL', ':hunter2@host:6379'],
  ])('%s=%s', (name, value) => {
    const problems = problemsOf({ ...complete, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${name} must be`);
    expect(problems[0]).not.toContain('hunter2');
  });
});

test('the token of the webhook comes from the environment or a file, and is never shown', () => {
  const token = 'hunter2-hunter2';
  const read = (environment: Environment) =>
    readConfig({ ...complete, ...environment }, everything);
  expect(read({ TENCENT_WEBHOOK_TOKEN: token }).webhookToken).toBe(token);
  const TENCENT_WEBHOOK_TOKEN_FILE = fileWith('webhook-token', `${token}\n`);
  expect(read({ TENCENT_WEBHOOK_TOKEN_FILE }).webhookToken).toBe(token);
  for (const wrong of ['hunter2 hunter2', 'hunter2'.repeat(20), 'hunter2-é-hunter2']) {
    const [problem, ...more] = problemsOf({ ...complete, TENCENT_WEBHOOK_TOKEN: wrong });
    expect(problem).toMatch(/TENCENT_WEBHOOK_TOKEN must be 1 to 128 characters/);
    expect(problem).not.toContain('hunter2');
    expect(more).toEqual([]);
  }
});

describe('where events go', () => {
  const secret = `whsec_${Buffer.alloc(32, 'hunter2').toString('base64')}`;
  const url = 'https://hooks.example/T00/t0ken';

  test('is a URL with the secret that signs them, also from a file', () => {
    const notify = { url, secret };
    expect(
      readConfig({ ...complete, NOTIFY_URL: url, NOTIFY_SECRET: secret }, everything),
    ).toMatchObject({ notify });
    const NOTIFY_SECRET_FILE = fileWith('notify', `${secret}\n`);
    expect(
      readConfig({ ...complete, NOTIFY_URL: url, NOTIFY_SECRET_FILE }, everything),
    ).toMatchObject({
      notify,
    });
    expect(readConfig(complete, everything).notify).toBeUndefined();
  });

  test('without a URL there is nobody to tell, which is said and is no error: a worker may have the secret', () => {
    const { problems, warnings } = inspectConfig(
      { ...complete, NOTIFY_SECRET: secret },
      everything,
    );
    expect(problems).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('NOTIFY_URL is not')]);
    const both = { ...complete, NOTIFY_SECRET: secret, NOTIFY_URL: url };
    expect(inspectConfig(both, everything).warnings).toEqual([]);
  });

  test.each<[rule: string, environment: Environment, expected: RegExp]>([
    ['no secret', { NOTIFY_URL: url }, /NOTIFY_SECRET \(or NOTIFY_SECRET_FILE\) must be set where/],
    [
      'a short one',
      { NOTIFY_URL: url, NOTIFY_SECRET: 'whsec_aHVudGVyMg==' },
      /must be whsec_ with/,
    ],
    ['no whsec_', { NOTIFY_URL: url, NOTIFY_SECRET: secret.slice(6) }, /must be whsec_ with/],
    ['no URL', { NOTIFY_URL: 't0ken', NOTIFY_SECRET: secret }, /NOTIFY_URL must be a URL such as/],
    ['ftp', { NOTIFY_URL: 'ftp://h/t0ken', NOTIFY_SECRET: secret }, /must be a URL such as https/],
    ['a password', { NOTIFY_URL: 'https://u:hunter2@h/', NOTIFY_SECRET: secret }, /without a user/],
  ])('with %s is refused, and nothing of either is shown', (_rule, environment, expected) => {
    const read = () => readConfig({ ...complete, ...environment }, everything);
    expect(read).toThrow(expected);
    expect(read).toThrow(/has a problem:/);
    expect(read).not.toThrow(/hunter2|t0ken|aHVud/);
  });
});

describe('a variable that is nearly one of ours is likely a typing error', () => {
  const problemsOf = (environment: Environment) =>
    nearMisses(environment).map(({ problem }) => problem);

  test.each<[name: string, meant: VariableName]>([
    ['TENCENT_SDKAPP_ID', 'TENCENT_SDK_APP_ID'],
    ['TENCENT_SDK_APPID', 'TENCENT_SDK_APP_ID'],
    ['TENCENT_SECRETKEY', 'TENCENT_SECRET_KEY'],
    ['TENCENT_REGOIN', 'TENCENT_REGION'],
    ['RATE_LIMIT_PER_SECONDS', 'RATE_LIMIT_PER_SECOND'],
    ['WORKER_CONCURENCY', 'WORKER_CONCURRENCY'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['LOGLEVEL', 'LOG_LEVEL'],
  ])('%s: did you mean %s?', (name, meant) => {
    expect(problemsOf({ ...complete, [meant]: undefined, [name]: 'x' })).toContain(
      `${name} is not a known variable; did you mean ${meant}?`,
    );
  });

  test('and in the environment of the process, where it may be another program’s, no error', () => {
    expect(read({ LOGLEVEL: 'x', WORKER_CONCURENCY: '5' }).workerConcurrency).toBe(100);
  });

  test('unless ours is set as well: then the other is somebody else’s', () => {
    expect(problemsOf({ ...complete, TENCENT_SECRETKEY: 'x' })).toEqual([]);
  });

  test.each(['PATH', 'HOME', 'REDIS_URL', 'NODE_ENV', 'LOG', 'DATABASE', 'TENCENT_SECRET', 'URL'])(
    '%s is none of our business',
    (name) => {
      expect(problemsOf({ ...complete, [name]: 'x' })).toEqual([]);
    },
  );
});

describe('inspecting a configuration', () => {
  const inspect = (environment: Environment) =>
    inspectConfig({ ...complete, ...environment }, everything);

  test('one that is well has no problems and is what a command gets', () => {
    const { config, problems } = inspect({});
    expect(problems).toEqual([]);
    expect(config).toEqual(read({}));
  });

  test('what is right is there beside what is wrong', () => {
    const { config, problems } = inspect({
      ...{ RATE_LIMIT_PER_SECOND: '-1', TENCENT_SECRET_KEY: '', QUEUE_URL: 'redis://host' },
      DATABASE_URL: 'embedded',
    });
    expect(problems).toHaveLength(2);
    expect(config).toMatchObject({ sdkAppId: 1_400_000_001, queueUrl: 'redis://host' });
    expect(config.rateLimitPerSecond).toBeUndefined();
    expect(config.credentials).toBeUndefined();
  });

  test.each([
    ['a wrong endpoint', { TENCENT_ENDPOINT: 'http://example.com' }],
    ['a wrong region', { TENCENT_REGION: 'mars' }],
  ])('%s is none, and not that of the default region', (_what, environment) => {
    expect(inspect(environment).config.endpoint).toBeUndefined();
  });

  test('an SDKAppID that is wrong or absent is none', () => {
    for (const id of ['many', '']) {
      const { config } = inspect({ TENCENT_SDK_APP_ID: id });
      expect(config.sdkAppId).toBeUndefined();
      expect(config.credentials).toBeUndefined();
    }
  });
});

describe('the file .env', () => {
  function directoryWith(text: string): string {
    const path = mkdtempSync(join(directory, 'env-'));
    writeFileSync(join(path, '.env'), text);
    return path;
  }

  test('gives variables; those of the process go before them', () => {
    const path = directoryWith('# comment\nTENCENT_REGION=usa\nLOG_LEVEL="debug"\n');
    expect(readEnvironment({ LOG_LEVEL: 'warn', HOME: '/h' }, path)).toEqual({
      TENCENT_REGION: 'usa',
      LOG_LEVEL: 'warn',
      HOME: '/h',
    });
  });

  test.each<[rule: string, text: string, expected: Record<string, string>]>([
    ['a byte order mark is skipped', '\ufeffA=1\nB=2', { A: '1', B: '2' }],
    ['line ends of Windows and of old Macs', 'A=1\r\nB=2\rC=3', { A: '1', B: '2', C: '3' }],
    ['a colon and a space in place of =', 'A: 1\nB:\nC=3', { A: '1', B: '', C: '3' }],
    ['spaces around, and export', '  export A = 1 \n\tB=2\t', { A: '1', B: '2' }],
    ['comments and blank lines', '# x\n\n  # y\nA=1 # z\nB=#', { A: '1', B: '' }],
    ['an empty value, and a = in one', 'A=\nB=c=d==', { A: '', B: 'c=d==' }],
    ['quotes of three kinds', 'A=\'a#\'\nB="b #"#\nC=` "c" `', { A: 'a#', B: 'b #', C: ' "c" ' }],
    [
      'line breaks in quotes',
      'A="x\ny"\nB="x\\ny"\nC=\'x\\ny\'',
      { A: 'x\ny', B: 'x\ny', C: 'x\\ny' },
    ],
    ['quotes inside a value', 'A=a"b"\nB={"c":1}', { A: 'a"b"', B: '{"c":1}' }],
    ['a name given twice: the last', 'A=1\nA=2', { A: '2' }],
    ['no line break at the end, or nothing', '', {}],
  ])('is read by the rules of dotenv: %s', (_, text, expected) => {
    expect(readEnvironment({}, directoryWith(text))).toEqual(expected);
  });

  test.each([
    ['a section', 'A=1\n[prod]\nPROTECTED_ROOMS_FILE=x', 2],
    ['a name alone', 'A=1\n\nPROTECTED_ROOMS_FILE\n', 3],
    ['a name that is exported alone', 'export A', 1],
    ['a name of another shell', 'set A=1', 1],
    ['PowerShell', '$env:A="1"', 1],
    ['a colon without a space', 'A:1', 1],
    ['a quote that is not closed', 'A=1\nB="hidden\nC=3', 2],
    ['a quote that is not closed behind a space', 'A= "hidden', 1],
    ['a quote that the next value closes', 'A="hidden\nB="x"', 1],
    ['text behind a quote', "A='hidden' too", 1],
    ['a comment of another language', '// x', 1],
    ['a line after one of several', 'A="x\ny"\n[prod]', 3],
  ])('with a line that is not understood is refused, with the line alone: %s', (_, text, line) => {
    const reading = () => readEnvironment({}, directoryWith(text));
    expect(reading).toThrow(new RegExp(`^\\.env: line ${line} must be NAME=value`));
    expect(reading).not.toThrow(/hidden/);
  });

  test.each([
    ['UTF-16', Buffer.from('\ufeffA=1\n', 'utf16le')],
    ['UTF-16 without a mark', Buffer.from('A=1\n', 'utf16le')],
    ['Latin-1', Buffer.from('A=ü', 'latin1')],
  ])('in another encoding is refused: %s', (_, bytes) => {
    const path = directoryWith('');
    writeFileSync(join(path, '.env'), bytes);
    expect(() => readEnvironment({}, path)).toThrow(/^\.env must be plain text in UTF-8/);
  });

  test('with a name that is nearly one of ours is refused; in the process it is a warning', () => {
    const path = directoryWith('A=1\nLOGLEVEL=debug\n');
    expect(() => readEnvironment({}, path)).toThrow(
      '.env: line 2: LOGLEVEL is not a known variable; did you mean LOG_LEVEL?',
    );
    expect(noticesOf({ LOGLEVEL: 'debug' }, '')).toEqual([
      'warning: LOGLEVEL is not a known variable; did you mean LOG_LEVEL?',
    ]);
  });

  test('that changes where requests go, while the key comes from elsewhere, is said', () => {
    const file = 'TENCENT_ENDPOINT=https://other.example\n';
    const said = [
      'TENCENT_ENDPOINT is that of .env in this directory, the key is not: requests signed with it go to https://other.example',
    ];
    expect(noticesOf({ TENCENT_SECRET_KEY: 'k' }, file)).toEqual(said);
    expect(noticesOf({ TENCENT_SECRET_KEY_FILE: 'k' }, file)).toEqual(said);
    expect(noticesOf({ TENCENT_SECRET_KEY: 'k' }, 'TENCENT_REGION=usa')).toHaveLength(1);
    const withPassword = 'TENCENT_ENDPOINT=https://user:hidden@other.example\n';
    expect(noticesOf({ TENCENT_SECRET_KEY: 'k' }, withPassword).join()).not.toContain('hidden');
    expect(noticesOf({ TENCENT_SECRET_KEY: 'k', TENCENT_ENDPOINT: 'https://own' }, file)).toEqual(
      [],
    );
    expect(noticesOf({}, `${file}TENCENT_SECRET_KEY=k`)).toEqual([]);
  });

  function noticesOf(processEnv: Environment, text: string): string[] {
    const notices: string[] = [];
    readEnvironment(processEnv, directoryWith(text), (notice) => notices.push(notice));
    return notices;
  }

  test('may be missing', () => {
    const path = mkdtempSync(join(directory, 'none-'));
    expect(readEnvironment({ LOG_LEVEL: 'warn' }, path)).toEqual({ LOG_LEVEL: 'warn' });
  });

  test('is not read where it is a directory, as a virtual environment of Python may be', () => {
    const path = mkdtempSync(join(directory, 'python-'));
    mkdirSync(join(path, '.env'));
    expect(readEnvironment({ LOG_LEVEL: 'warn' }, path)).toEqual({ LOG_LEVEL: 'warn' });
  });

  test('leaves the process and its own variables as they were', () => {
    const path = directoryWith('TENCENT_REGION=usa\n');
    const own = { LOG_LEVEL: 'warn' };
    readEnvironment(own, path);
    expect(own).toEqual({ LOG_LEVEL: 'warn' });
    expect(process.env['TENCENT_REGION']).not.toBe('usa');
  });

  test('that cannot be read is an error that says so', () => {
    // A path through a file can be read by nobody, not even by root.
    const file = fileWith('not-a-directory', '');
    expect(() => readEnvironment({}, file)).toThrow(/^\.env must be readable, got ENOTDIR; /);
  });
});
