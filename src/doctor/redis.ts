/** The queue's Redis: what BullMQ and the promise to every waiting room need of it. */
import { sampleKey, serverOf, withRedisOnce, type RedisConnection } from '../queue/connection.js';
import { problem, ok, warning, type Finding } from './finding.js';
import { storeTrouble } from '../store-trouble.js';
import { checkLimitMs, reasonOf } from '../time-limit.js';

export interface RedisFacts {
  /** It is a cluster by its URL; the rest is about the node that has the queue's keys. */
  isCluster?: boolean;
  roundTripMs: number;
  /** undefined: the server does not allow INFO. */
  info: ReadonlyMap<string, string> | undefined;
  /** `hash-max-listpack-value` (before Redis 7 `-ziplist-`); undefined: CONFIG is not allowed. */
  hashMaxListpackValue: number | undefined;
  /** Why a script on the keys of a queue is refused; undefined: it runs. */
  scriptRefused?: string | undefined;
}

/** @throws the client's error where Redis cannot be used. */
export function readRedis(connection: Omit<RedisConnection, 'kind'>): Promise<RedisFacts> {
  // The check would ask for INFO, which a managed Redis may refuse.
  const limits = { connectTimeout: checkLimitMs, enableReadyCheck: false };
  return withRedisOnce(connection.url, limits, async (client) => {
    const key = sampleKey(connection);
    const redis = await serverOf(client, key);
    if (redis !== client) await client.cluster('INFO');
    let roundTripMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 3; tries++) {
      const from = performance.now();
      await redis.ping();
      roundTripMs = Math.min(roundTripMs, performance.now() - from);
    }
    const info = await unlessRefused(redis.info());
    const script = client.eval("return redis.call('EXISTS', KEYS[1])", 1, key);
    const scriptRefused = await script.then(
      () => undefined,
      (error: unknown) => reasonOf(error),
    );
    const setting = await unlessRefused(redis.config('GET', 'hash-max-*-value'));
    return {
      isCluster: redis !== client,
      roundTripMs,
      info: info === undefined ? undefined : parseInfo(info),
      hashMaxListpackValue: setting === undefined ? undefined : readSetting(setting),
      scriptRefused,
    };
  });
}

/** undefined where the server forbids the command: a managed Redis may. */
async function unlessRefused<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    const { message } = error as Error;
    if (/NOPERM|unknown command|not allowed|disabled/i.test(message)) return undefined;
    throw error;
  }
}

function parseInfo(text: string): Map<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const [name = '', value] = line.split(/:(.*)/s);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** Name and value in turn; a Redis 7 knows both names and gives them one value. */
function readSetting(reply: unknown): number | undefined {
  const values = Array.isArray(reply) ? reply : Object.entries(reply as object).flat();
  const at = values.findIndex((name) => /^hash-max-(listpack|ziplist)-value$/.test(String(name)));
  return at < 0 ? undefined : Number(values[at + 1]);
}

/** BullMQ runs from 5.0 and asks for this. */
const leastVersion = [6, 2] as const;

/** Share of `maxmemory` from which a waiting room may soon find no place. */
const nearlyFull = 0.8;
const full = 0.95;

/** A waiting room is a hash of values of up to about 200 bytes (deploy/redis.conf). */
const neededListpackValue = 256;

/** @param shownAs - its URL without a password. */
export function judgeRedis(facts: RedisFacts, shownAs: string): Finding[] {
  const { info, roundTripMs } = facts;
  if (info === undefined) {
    return [
      ok(`${shownAs} answers in ${roundTripMs.toFixed(1)} ms`),
      problem(
        'INFO is not allowed here: without it workers and commands cannot use the queue',
        'allow this user the command INFO (+info); see too that it is Redis 6.2 or later, with maxmemory-policy noeviction and append-only file on',
      ),
      ...judgeScripts(facts),
      ...judgeListpack(facts),
    ];
  }
  const version = info.get('redis_version') ?? '';
  return [
    ok(`${shownAs} answers in ${roundTripMs.toFixed(1)} ms, version ${version || 'unknown'}`),
    ...judgeVersion(version),
    ...judgeRole(facts, info),
    ...judgeScripts(facts),
    ...judgePersistence(info),
    ...judgeMemory(info),
    ...judgeListpack(facts),
  ];
}

function judgeVersion(version: string): Finding[] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = leastVersion;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return [];
  return [
    problem(
      `Redis must be ${leastVersion.join('.')} or later, got ${version || 'no version'}`,
      'upgrade it',
    ),
  ];
}

function* judgeRole(
  { isCluster = false }: RedisFacts,
  info: ReadonlyMap<string, string>,
): Generator<Finding> {
  if (info.get('redis_mode') === 'sentinel') {
    const { cause = '', remedy } = storeTrouble({ message: 'SENTINEL' }, 'Redis', 'QUEUE_URL');
    yield problem(cause, remedy);
  }
  if (info.get('role') === 'slave') {
    yield problem('it is a read-only replica', 'set QUEUE_URL to the primary');
  }
  if (info.get('cluster_enabled') === '1' && !isCluster) {
    const { cause = '', remedy } = storeTrouble({ message: 'CLUSTER' }, 'Redis', 'QUEUE_URL');
    yield problem(cause, remedy);
  }
}

function* judgeScripts({ info, scriptRefused }: RedisFacts): Generator<Finding> {
  if (scriptRefused === undefined || info?.get('redis_mode') === 'sentinel') return;
  yield problem(
    `a script on the keys of a queue is refused (${scriptRefused}): the queue consists of scripts`,
    storeTrouble({ message: scriptRefused }, 'Redis', 'QUEUE_URL').remedy,
  );
}

function* judgePersistence(info: ReadonlyMap<string, string>): Generator<Finding> {
  if (info.get('aof_enabled') !== '1') {
    yield warning(
      'the append-only file is off: rooms that wait are lost when Redis ends',
      'set appendonly yes (deploy/redis.conf)',
    );
  }
  for (const [name, what] of [
    ['aof_last_write_status', 'the append-only file'],
    ['rdb_last_bgsave_status', 'a snapshot'],
  ] as const) {
    if (info.get(name) !== 'err') continue;
    yield problem(
      `it could not write ${what}, and may refuse new rooms`,
      'look at its log; most often its disk is full',
    );
  }
}

function* judgeMemory(info: ReadonlyMap<string, string>): Generator<Finding> {
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    yield problem(
      `maxmemory-policy must be noeviction, got ${policy}: a full Redis would throw waiting rooms away`,
      'set maxmemory-policy noeviction (deploy/redis.conf)',
    );
  }
  const most = Number(info.get('maxmemory') ?? 0);
  const used = Number(info.get('used_memory') ?? 0);
  if (most > 0 && used / most >= nearlyFull) {
    const text = `${Math.round((used / most) * 100)} % of maxmemory is used (${megabytes(used)} of ${megabytes(most)})`;
    const remedy = 'raise maxmemory; a waiting room takes up to 1.1 kB';
    yield used / most >= full ? problem(text, remedy) : warning(text, remedy);
  } else {
    const limit = most > 0 ? `of ${megabytes(most)}` : 'without a limit';
    yield ok(`memory: ${megabytes(used)} used, ${limit}`);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}

function judgeListpack({ hashMaxListpackValue: value }: RedisFacts): Finding[] {
  if (value === undefined) {
    return [
      warning(
        'CONFIG is not allowed here, so hash-max-listpack-value could not be looked at',
        `have it set to ${neededListpackValue} where that is possible; it saves about a third of the memory of each waiting room`,
      ),
    ];
  }
  if (value >= neededListpackValue) return [];
  return [
    warning(
      `hash-max-listpack-value is ${value}: each waiting room takes about half as much memory again`,
      `set it to ${neededListpackValue} (deploy/redis.conf; before Redis 7 it is hash-max-ziplist-value)`,
    ),
  ];
}
