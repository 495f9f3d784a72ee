import { storeTrouble } from '../../src/store-trouble.js';
import { expect, test } from 'vitest';
import { judgeRedis, type RedisFacts } from '../../src/doctor/redis.js';

const healthy = {
  ...{ redis_version: '7.2.4', role: 'master', cluster_enabled: '0' },
  ...{ aof_enabled: '1', aof_last_write_status: 'ok', rdb_last_bgsave_status: 'ok' },
  ...{ maxmemory: '0', used_memory: '1048576', maxmemory_policy: 'noeviction' },
};

function facts(info: Record<string, string> = {}, changes: Partial<RedisFacts> = {}): RedisFacts {
  const known = new Map(Object.entries({ ...healthy, ...info }));
  return { roundTripMs: 0.4, info: known, hashMaxListpackValue: 256, ...changes };
}

const trouble = (of: RedisFacts) =>
  judgeRedis(of, 'redis://host').filter(({ level }) => level !== 'ok');

test('the settings that are shipped are well', () => {
  expect(trouble(facts())).toEqual([]);
  expect(judgeRedis(facts(), 'redis://host')[0]?.text).toBe(
    'redis://host answers in 0.4 ms, version 7.2.4',
  );
});

test.each<[rule: string, of: RedisFacts, level: 'warning' | 'problem', text: RegExp]>([
  ['6.0 is too old', facts({ redis_version: '6.0.16' }), 'problem', /6\.2 or later, got 6\.0\.16/],
  ['5.9 is too old', facts({ redis_version: '5.9.0' }), 'problem', /got 5\.9\.0/],
  ['a replica refuses to be written', facts({ role: 'slave' }), 'problem', /replica/],
  ['a cluster must be called one', facts({ cluster_enabled: '1' }), 'problem', /cluster/],
  ['rooms that wait live in memory only', facts({ aof_enabled: '0' }), 'warning', /are lost/],
  [
    'a disk that is full stops all writing',
    facts({ aof_last_write_status: 'err' }),
    'problem',
    /could not write the append-only file/,
  ],
  [
    'eviction throws waiting rooms away',
    facts({ maxmemory_policy: 'volatile-ttl' }),
    'problem',
    /must be noeviction, got volatile-ttl/,
  ],
  [
    'from 80 % of maxmemory on it is nearly full',
    facts({ maxmemory: '1000', used_memory: '800' }),
    'warning',
    /^80 % of maxmemory/,
  ],
  [
    'from 95 % on it is full',
    facts({ maxmemory: '1000', used_memory: '951' }),
    'problem',
    /^95 % of maxmemory/,
  ],
  [
    'a small listpack value costs memory',
    facts({}, { hashMaxListpackValue: 64 }),
    'warning',
    /hash-max-listpack-value is 64/,
  ],
])('%s', (_rule, of, level, text) => {
  expect(trouble(of)).toEqual([
    { level, text: expect.stringMatching(text) as string, remedy: expect.any(String) as string },
  ]);
});

test.each(['6.2.0', '6.2.14', '7.0.15', '8.0.0', '10.1.0'])(
  'version %s is new enough',
  (version) => {
    expect(trouble(facts({ redis_version: version }))).toEqual([]);
  },
);

test('79 % of maxmemory is no cause for alarm', () => {
  expect(trouble(facts({ maxmemory: '1000', used_memory: '799' }))).toEqual([]);
});

test('what is refused to be told is a warning, and a failure where nothing works without it', () => {
  const silent = facts({}, { info: undefined, hashMaxListpackValue: undefined });
  expect(trouble(silent).map(({ level }) => level)).toEqual(['problem', 'warning']);
});

test('the remedy goes with the reason', () => {
  expect(storeTrouble({ message: 'WRONGPASS' }, 'Redis', 'QUEUE_URL').remedy).toMatch(/password/);
  expect(storeTrouble({ message: 'LOADING' }, 'Redis', 'QUEUE_URL').remedy).toMatch(/wait/);
  expect(storeTrouble({ message: 'ECONNREFUSED' }, 'Redis', 'QUEUE_URL').remedy).toMatch(
    /start it/,
  );
});

test('a cluster that is called one is as well as any Redis', () => {
  expect(trouble(facts({ cluster_enabled: '1' }, { isCluster: true }))).toEqual([]);
});

test('a queue needs scripts, and a Sentinel is no Redis to keep it', () => {
  const level = (of: RedisFacts) => trouble(of).map((finding) => [finding.level, finding.text]);
  expect(level(facts({}, { scriptRefused: 'NOPERM' }))).toEqual([
    ['problem', expect.stringMatching(/script .* is refused \(NOPERM\)/)],
  ]);
  const sentinel = facts({ redis_mode: 'sentinel' }, { scriptRefused: 'ERR' });
  expect(level(sentinel)).toEqual([['problem', expect.stringMatching(/a Sentinel/)]]);
});
