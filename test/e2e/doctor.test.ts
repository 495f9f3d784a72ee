import { existsSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { makeDataDirectory } from '../support/data-directory.js';
import { freePort } from '../support/program.js';
import {
  createFreshDatabase,
  startRedisServer,
  withPostgres,
  withRedis,
} from '../support/servers.js';
import { expired, key, valid } from './certificates.js';
import { afterThisTest, folderWith, run, type Ended, type RunOptions } from './room-reaper.js';
import { lines, listen, openStage, postgresOnly, redisAndPostgres, roomIds } from './stage.js';

interface Finding {
  check: string;
  level: 'ok' | 'warning' | 'problem';
  text: string;
  remedy?: string;
}

interface Examined {
  code: number | null;
  findings: Finding[];
  /** Those of one check that are not ok. */
  of: (check: string) => Finding[];
}

async function doctor(options: RunOptions): Promise<Examined> {
  const ended = await run(['doctor', '--json'], options);
  expect(ended.stdout, ended.stderr).toMatch(/^\{/);
  const { findings } = JSON.parse(ended.stdout) as { findings: Finding[] };
  return {
    code: ended.code,
    findings,
    of: (check) => findings.filter((each) => each.check === check && each.level !== 'ok'),
  };
}

const text = (pattern: RegExp) => expect.stringMatching(pattern) as string;

describe('where nothing is wrong', () => {
  test('every check has its line in a fixed order, nothing is destroyed or made, and the exit code is 0', async () => {
    const { server, env, sdkAppId } = await openStage();
    const stores = await redisAndPostgres(createFreshDatabase);
    const options = { env: { ...env, ...stores } };

    const ended = await run(['doctor'], options);

    expect(ended.code, ended.stdout).toBe(0);
    const words = ended.stdout.split('\n').flatMap((line) => {
      const [, level, check] = /^(ok|warning|problem) +(\w+) /.exec(line) ?? [];
      return check === undefined ? [] : [{ level, check }];
    });
    expect([...new Set(words.map(({ check }) => check))]).toEqual([
      ...['configuration', 'queue', 'ledger', 'clock', 'endpoint', 'signature', 'line'],
    ]);
    expect(words.filter(({ level }) => level === 'problem')).toEqual([]);
    expect(ended.stdout).toMatch(new RegExp(`ok +configuration +app ${sdkAppId}, `));
    expect(ended.stdout).toMatch(/ok +signature +the API took the signature in /);
    expect(ended.stdout).toMatch(/^no problems, \d+ warnings?$/m);
    const report = await server.report();
    expect(report).toMatchObject({ requests: [], problems: [] });
    expect(report.commands.get_room_info.requests).toHaveLength(1);
    const schemas = await withPostgres(stores.DATABASE_URL, (client) =>
      client.query("select from pg_namespace where nspname in ('room_reaper', 'bullmq')"),
    );
    expect(schemas.rowCount).toBe(0);
  });

  test('queue and ledger in use are looked at too, in one Postgres', async () => {
    const { env } = await openStage();
    const options = { env: { ...env, ...(await postgresOnly()) } };
    expect((await run(['destroy', '-'], { ...options, stdin: lines(roomIds(3)) })).code).toBe(0);

    const { code, findings } = await doctor(options);

    expect(code, JSON.stringify(findings)).toBe(0);
    expect(findings).toEqual(
      expect.arrayContaining([
        { check: 'queue', level: 'ok', text: text(/^schema bullmq is at version \d+$/) },
        { check: 'ledger', level: 'ok', text: text(/^schema room_reaper is at version \d+$/) },
        { check: 'clock', level: 'ok', text: text(/agrees with the clock of the ledger/) },
        { check: 'line', level: 'ok', text: text(/^the line runs at 196\.1 requests\/s$/) },
        { check: 'line', level: 'ok', text: text(/^0 rooms wait, 0 in hand, 0 delayed$/) },
      ]),
    );
    expect(findings.filter(({ check }) => check === 'notifications')).toEqual([]);
  });

  test('where notifications go is said without what is secret of it, and where they fail that', async () => {
    const { env, sdkAppId } = await openStage();
    const stores = await postgresOnly();
    const NOTIFY_SECRET = `whsec_${Buffer.alloc(32, 'a secret').toString('base64')}`;
    const NOTIFY_URL = 'https://hooks.example/room-reaper?token=t0ken';
    const options = { env: { ...env, ...stores, NOTIFY_URL, NOTIFY_SECRET } };
    expect((await run(['migrate'], options)).code).toBe(0);
    const ofNotifications = async () => {
      const { code, findings } = await doctor(options);
      expect(code, JSON.stringify(findings)).toBe(0);
      expect(JSON.stringify(findings)).not.toMatch(/t0ken|whsec_/);
      return findings.filter(({ check }) => check === 'notifications');
    };
    const goes = {
      ...{ check: 'notifications', level: 'ok' },
      text: '`serve` sends them to https://hooks.example',
    };
    expect(await ofNotifications()).toEqual([goes]);
    expect((await run(['status'], options)).stdout).not.toMatch(/notification/);

    await withPostgres(stores.DATABASE_URL, (client) =>
      client.query(
        `insert into room_reaper.events (sdk_app_id, type, data, due_at, trouble, created_at)
         values ($1, 'line.stopped', '{}', now(), 'HTTP 500', now() - interval '2 minutes'),
                ($1, 'line.resumed', '{}', null, 'HTTP 410', now() - interval '1 minute')`,
        [sdkAppId],
      ),
    );
    // What the API tells of rooms is said where there is a token for it, or it told of one.
    const TENCENT_WEBHOOK_TOKEN = 'hunter2-hunter2';
    const withToken = { env: { ...options.env, TENCENT_WEBHOOK_TOKEN } };
    const toldOf = async (asked: typeof options) => {
      const { findings } = await doctor(asked);
      expect(JSON.stringify(findings)).not.toContain('hunter2');
      return findings.find((found) => /webhook/.test(found.text))?.text;
    };
    expect(await toldOf(options)).toBeUndefined();
    expect(await toldOf(withToken)).toBe(
      'the token of the webhook is set; the API has not told of any room yet',
    );
    await withPostgres(stores.DATABASE_URL, (client) =>
      client.query(
        `insert into room_reaper.room_events (sdk_app_id, room_id, ended_at, ended_by) values ($1, 'r', now(), 'user')`,
        [sdkAppId],
      ),
    );
    expect(await toldOf(options)).toMatch(/is not set; the API last told of a room at \d\d:/);
    await withPostgres(stores.DATABASE_URL, (client) =>
      client.query('delete from room_reaper.room_events'),
    );
    const [, fails, ...others] = await ofNotifications();
    expect(fails).toEqual({
      ...{ check: 'notifications', level: 'warning' },
      text: text(
        /^2 notifications are not delivered, 1 of them given up, the oldest of .*: HTTP 410$/,
      ),
      remedy: text(/^look at what listens at NOTIFY_URL/),
    });
    expect(others).toEqual([]);
    expect((await run(['status'], options)).stdout).toContain(
      `${fails?.text}; what to do: ${fails?.remedy}`,
    );
    expect(JSON.parse((await run(['status', '--json'], options)).stdout)).toMatchObject({
      notifications: {
        ...{ waiting: 1, givenUp: 1, trouble: 'HTTP 410', remedy: fails?.remedy },
        since: text(/^\d{4}-\d\d-\d\dT/),
      },
    });
    const nobody = await doctor({ env: { ...options.env, NOTIFY_URL: '' } });
    expect(nobody.of('configuration')).toMatchObject([
      { level: 'warning', text: text(/^NOTIFY_SECRET is set and NOTIFY_URL is not/) },
    ]);
    const wrong = await doctor({ env: { ...options.env, NOTIFY_SECRET: 'a secret' } });
    expect(wrong.code).toBe(1);
    expect(wrong.of('configuration')).toMatchObject([
      { text: text(/^NOTIFY_SECRET must be whsec_/) },
    ]);
  });

  test(
    'the embedded default is examined where it is, and not made where it is not',
    { timeout: 90_000 },
    async () => {
      const { env } = await openStage();
      const options = { cwd: folderWith(), env };

      const before = await doctor(options);

      expect(before.code, JSON.stringify(before.findings)).toBe(0);
      expect(before.findings).toContainEqual({
        ...{ check: 'embedded', level: 'ok' },
        text: text(/^\.room-reaper holds no database yet/),
      });
      expect(existsSync(join(options.cwd, '.room-reaper'))).toBe(false);

      await makeDataDirectory(join(options.cwd, '.room-reaper'));
      expect((await run(['enqueue', '--room', 'one'], options)).code).toBe(0);
      const after = await doctor(options);

      expect(after.code, JSON.stringify(after.findings)).toBe(0);
      expect(after.findings).toEqual(
        expect.arrayContaining([
          { check: 'embedded', level: 'ok', text: text(/^\.room-reaper can be written, /) },
          { check: 'queue', level: 'ok', text: text(/^the embedded database in .* answers in/) },
          { check: 'ledger', level: 'ok', text: text(/^schema room_reaper is at version/) },
          { check: 'line', level: 'ok', text: text(/^1 room waits/) },
        ]),
      );
    },
  );
});

describe('what is wrong is a problem, with what to do, and the exit code is 1', () => {
  test('a wrong key: the code and its remedy', async () => {
    const { server, env } = await openStage();
    const wrong = { ...env, ...(await redisAndPostgres()), TENCENT_SECRET_KEY: 'wrong-'.repeat(9) };
    const ended = await run(['doctor'], { env: wrong });
    expect(ended.code, ended.stdout).toBe(1);
    expect(ended.stdout).toMatch(
      /^problem +signature +the API refused: UserSig was made with the wrong key \(70009\); what to do: check .*TENCENT_SECRET_KEY/m,
    );
    expect(ended.stdout).toMatch(/^1 problem, /m);
    expect((await server.report()).requests).toEqual([]);
  });

  test('every problem of the configuration; what is left is checked all the same', async () => {
    const { server, env } = await openStage();
    const stores = await redisAndPostgres();
    const wrong = { TENCENT_SECRET_KEY: '', RATE_LIMIT_PER_SECOND: '-1', QUEUE_URL: 'amqp://host' };
    const { code, of, findings } = await doctor({ env: { ...env, ...stores, ...wrong } });
    expect(code).toBe(1);
    expect(of('configuration').map((each) => each.text)).toEqual([
      text(/^TENCENT_SECRET_KEY .* must be set/),
      text(/^QUEUE_URL must be/),
      text(/^RATE_LIMIT_PER_SECOND must be/),
    ]);
    expect(of('queue')).toMatchObject([
      { level: 'warning', text: 'not looked at: QUEUE_URL is wrong' },
    ]);
    expect(of('signature')).toMatchObject([{ text: text(/^not tried: .* credentials/) }]);
    expect(of('ledger').filter(({ level }) => level === 'problem')).toEqual([]);
    expect(findings.filter(({ check }) => check === 'ledger').length).toBeGreaterThan(1);
    expect((await server.report()).commands.get_room_info.requests).toEqual([]);
  });

  test('a list of protected rooms with which no worker starts', async () => {
    const { env } = await openStage();
    const cwd = folderWith({ 'good.txt': 'vip-*\nlive-1\n', 'bad.txt': 'live-1 # VIP\n' });
    const stores = await redisAndPostgres();
    const judge = async (PROTECTED_ROOMS_FILE: string) => {
      const { findings } = await doctor({ cwd, env: { ...env, ...stores, PROTECTED_ROOMS_FILE } });
      return findings.filter(({ check }) => check === 'configuration').slice(1);
    };
    expect(await judge('good.txt')).toMatchObject([
      { level: 'ok', text: '1 RoomId and 1 pattern are protected' },
    ]);
    expect(await judge('bad.txt')).toMatchObject([
      { level: 'problem', text: text(/^PROTECTED_ROOMS_FILE: line 1 of bad.txt must be a RoomId/) },
    ]);
  });

  test('a wrong endpoint is sent no signature: also not that of the default region', async () => {
    const { env } = await openStage();
    const { code, of } = await doctor({
      env: { ...env, ...(await redisAndPostgres()), TENCENT_ENDPOINT: 'http://example.com' },
    });
    expect(code).toBe(1);
    expect(of('endpoint')).toMatchObject([{ level: 'warning', text: text(/^not looked at/) }]);
    expect(of('signature')).toMatchObject([{ level: 'warning', text: text(/^not tried/) }]);
  });

  test('Redis, Postgres and the endpoint that nobody listens for', async () => {
    const { env } = await openStage();
    const [redis, postgres, api] = [await freePort(), await freePort(), await freePort()];
    const { code, of } = await doctor({
      env: {
        ...env,
        QUEUE_URL: `redis://:hidden@127.0.0.1:${redis}`,
        DATABASE_URL: `postgres://u:hidden@127.0.0.1:${postgres}/ledger`,
        TENCENT_ENDPOINT: `http://127.0.0.1:${api}`,
      },
    });
    expect(code).toBe(1);
    expect(of('queue')).toEqual([
      {
        ...{ check: 'queue', level: 'problem', remedy: text(/^start it, or set QUEUE_URL/) },
        text: `Redis at redis://:***@127.0.0.1:${redis} cannot be used: ECONNREFUSED`,
      },
    ]);
    expect(of('ledger')).toMatchObject([
      {
        level: 'problem',
        text: text(/cannot be used: ECONNREFUSED$/),
        remedy: text(/DATABASE_URL/),
      },
    ]);
    expect(of('endpoint')).toMatchObject([
      { level: 'problem', text: text(/cannot be reached: ECONNREFUSED$/) },
    ]);
    expect(of('line')).toHaveLength(2);
  });

  test(
    'servers that take a connection and never answer do not hang it',
    { timeout: 60_000 },
    async () => {
      const { env } = await openStage();
      let open = 0;
      let openAtOnce = 0;
      const server = net.createServer((socket) => {
        openAtOnce = Math.max(openAtOnce, ++open);
        socket.on('error', () => undefined).on('close', () => (open -= 1));
      });
      const silent = `127.0.0.1:${await listen(server)}`;
      const { code, of } = await doctor({
        env: {
          ...env,
          QUEUE_URL: `redis://${silent}`,
          DATABASE_URL: `postgres://u@${silent}/ledger`,
          TENCENT_ENDPOINT: `http://${silent}`,
        },
      });
      expect(code).toBe(1);
      expect(of('queue')).toMatchObject([
        { level: 'problem', text: text(/no answer within 5 s$/) },
      ]);
      expect(of('ledger')).toMatchObject([
        { level: 'problem', text: text(/no answer (within 5 s|in time)$/) },
      ]);
      expect(of('signature')).toMatchObject([
        { level: 'problem', text: text(/no answer in time$/) },
      ]);
      // All of them wait side by side.
      expect(openAtOnce).toBeGreaterThanOrEqual(3);
    },
  );

  test('an eviction policy under which waiting rooms are thrown away', async () => {
    const { env } = await openStage();
    const redis = await startRedisServer({
      settings: {
        'maxmemory-policy': 'allkeys-lru',
        appendonly: 'no',
        'hash-max-listpack-value': '64',
      },
    });
    afterThisTest(() => redis.stop());
    const { DATABASE_URL } = await redisAndPostgres();
    const { code, of } = await doctor({ env: { ...env, DATABASE_URL, QUEUE_URL: redis.url } });
    expect(code).toBe(1);
    expect(of('queue')).toEqual([
      {
        ...{ check: 'queue', level: 'warning', text: text(/append-only file is off/) },
        remedy: text(/appendonly yes/),
      },
      {
        ...{ check: 'queue', level: 'problem', text: text(/must be noeviction, got allkeys-lru/) },
        remedy: text(/noeviction/),
      },
      {
        ...{ check: 'queue', level: 'warning', text: text(/^hash-max-listpack-value is 64/) },
        remedy: text(/256/),
      },
    ]);
  });

  test('a clock a minute and a half ahead, told by the ledger, the endpoint and the refused signature', async () => {
    const { env } = await openStage();
    const options = { env: { ...env, ...(await redisAndPostgres()) } };
    setClockOff(90_000);
    const { code, of } = await doctor(options);
    expect(code).toBe(1);
    expect(of('clock')).toMatchObject([
      {
        level: 'problem',
        text: text(/is (89|90)\.\d s ahead of the clock of the ledger/),
        remedy: text(/NTP/),
      },
      { level: 'problem', text: text(/is (8[89]|90)\.\d s ahead of the clock of the API/) },
    ]);
    expect(of('signature')).toMatchObject([
      { level: 'problem', text: text(/\(70001\)$/), remedy: text(/clock of this machine/) },
    ]);
  });

  test('a certificate that has expired: no signature is sent over it', async () => {
    const { env } = await openStage();
    const seen: string[] = [];
    const server = https.createServer({ key, cert: expired }, (request) => {
      seen.push(request.url ?? '');
    });
    server.on('tlsClientError', () => undefined);
    const host = `127.0.0.1:${await listen(server)}`;
    const { code, of } = await doctor({
      env: {
        ...{ ...env, ...(await redisAndPostgres()), TENCENT_ENDPOINT: `https://${host}` },
        NODE_EXTRA_CA_CERTS: join(folderWith({ 'ca.pem': expired }), 'ca.pem'),
      },
    });
    expect(code).toBe(1);
    expect(of('endpoint')).toMatchObject([
      { level: 'problem', text: 'its certificate expired on 2021-01-01', remedy: text(/renew it/) },
    ]);
    expect(of('signature')).toMatchObject([{ text: text(/^not tried: the certificate/) }]);
    expect(seen).toEqual([]);
  });

  test('a stopped line, with its remedy', async () => {
    const { env } = await openStage();
    const stores = await redisAndPostgres();
    const wrong = { ...env, ...stores, TENCENT_SECRET_KEY: 'wrong-key-'.repeat(6) };
    expect((await run(['destroy', '-'], { env: wrong, stdin: lines(roomIds(3)) })).code).toBe(3);
    const { code, of } = await doctor({ env: { ...env, ...stores } });
    expect(code).toBe(1);
    expect(of('line')).toMatchObject([
      {
        level: 'problem',
        text: text(/^the line is stopped: .* \(70009\), said by worker \S+:\d+$/),
        remedy: text(/SECRET_KEY/),
      },
    ]);
    expect(of('signature')).toEqual([]);
  });
});

describe('what works and somebody should know is a warning, and the exit code is 0', () => {
  test('a clock that is seconds off', async () => {
    const { env } = await openStage();
    const options = { env: { ...env, ...(await redisAndPostgres()) } };
    setClockOff(-20_000);
    const { code, of } = await doctor(options);
    expect(code).toBe(0);
    expect(of('clock')).toMatchObject([
      { level: 'warning', text: text(/is (19|20)\.\d s behind the clock of the ledger/) },
      { level: 'warning', text: text(/is (1[89]|20)\.\d s behind the clock of the API/) },
    ]);
  });

  test('a Redis that forbids INFO and CONFIG', async () => {
    const { env } = await openStage();
    const redis = await startRedisServer();
    afterThisTest(() => redis.stop());
    await withRedis(redis.url, (admin) =>
      admin.call(
        ...([
          'ACL',
          'SETUSER',
          'limited',
          'on',
          '>hidden',
          '~*',
          '&*',
          '+@all',
          '-info',
          '-config',
        ] as const),
      ),
    );
    const url = new URL(redis.url);
    url.username = 'limited';
    url.password = 'hidden';
    const { DATABASE_URL } = await redisAndPostgres();
    const { code, of } = await doctor({ env: { ...env, DATABASE_URL, QUEUE_URL: url.href } });
    // Without INFO nothing can be put on it.
    expect(code).toBe(1);
    const options = { env: { ...env, DATABASE_URL, QUEUE_URL: url.href } };
    const refused = await run(['enqueue', '--room', 'a'], options);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/cannot be used: NOPERM/);
    expect(of('queue')).toMatchObject([
      { level: 'problem', text: text(/^INFO is not allowed here/) },
      { level: 'warning', text: text(/^CONFIG is not allowed here/) },
    ]);
  });

  test('a pause by hand, rooms that ended and are not gone, and one that waits past its deadline', async () => {
    const { env } = await openStage({ scripts: { bad: [{ kind: 'code', code: 100006 }] } });
    const stores = await redisAndPostgres();
    const options = { env: { ...env, ...stores } };
    expect((await run(['destroy', '--room', 'bad'], options)).code).toBe(1);
    expect((await run(['pause', '--by', 'ana'], options)).code).toBe(0);
    const soon = { env: { ...options.env, DESTROY_DEADLINE_HOURS: '0.0001' } };
    expect((await run(['enqueue', '--room', 'late'], soon)).code).toBe(0);
    // Its deadline is 360 ms after it was asked for.
    await sleep(400);
    const { code, of } = await doctor(options);
    expect(code).toBe(0);
    expect(of('line').map((each) => each.text)).toEqual([
      text(/^the queue is paused since \S+ \S+ by ana$/),
      text(/^the first room of the normal lane is past its deadline/),
      text(/^1 room of the last 14 days ended and is not gone$/),
    ]);
  });

  test('a trusted certificate over TLS is none', async () => {
    const { env } = await openStage();
    const server = https.createServer({ key, cert: valid }, (_request, response) => {
      response.end('{"ErrorCode":100004,"ErrorInfo":"","ActionStatus":"FAIL","RequestId":"Id"}');
    });
    const host = `127.0.0.1:${await listen(server)}`;
    const { code, of, findings } = await doctor({
      env: {
        ...{ ...env, ...(await redisAndPostgres()), TENCENT_ENDPOINT: `https://${host}` },
        NODE_EXTRA_CA_CERTS: join(folderWith({ 'ca.pem': valid }), 'ca.pem'),
      },
    });
    expect(code, JSON.stringify(findings)).toBe(0);
    expect([...of('endpoint'), ...of('signature')]).toEqual([]);
    expect(findings).toContainEqual({
      ...{
        check: 'endpoint',
        level: 'ok',
        text: text(/^its certificate is trusted, for \d+ more days$/),
      },
    });
  });
});

describe('secrets show nowhere, at LOG_LEVEL=trace', () => {
  const rubbish: [what: string, answer: (url: string, response: http.ServerResponse) => void][] = [
    [
      'repeats the URL in ErrorInfo',
      (url, response) => {
        const reply = { ErrorCode: 70009, ErrorInfo: url, ActionStatus: 'FAIL', RequestId: url };
        response.end(JSON.stringify(reply));
      },
    ],
    ['repeats the URL in a page', (url, response) => response.writeHead(502).end(`<html>${url}`)],
    [
      'repeats the URL in its headers',
      (url, response) => {
        response.writeHead(302, url, { date: url, location: `http://127.0.0.1:1${url}` }).end();
      },
    ],
    ['cuts the connection', (_url, response) => response.destroy()],
    ['answers no HTTP', (url, response) => response.socket?.end(`rubbish ${url}\r\n\r\n`)],
  ];

  test.each(rubbish)('an endpoint that %s', async (_what, answer) => {
    const { secretKey, env } = await openStage();
    const signatures: string[] = [];
    const server = http.createServer((request, response) => {
      const url = request.url ?? '';
      signatures.push(new URL(url, 'http://server').searchParams.get('usersig') ?? '');
      answer(url, response);
    });
    const host = `127.0.0.1:${await listen(server)}`;
    const ended: Ended = await run(['doctor'], {
      env: {
        ...{ ...env, ...(await redisAndPostgres()) },
        ...{ TENCENT_ENDPOINT: `http://${host}`, LOG_LEVEL: 'trace' },
      },
    });
    expect(ended.code, ended.stdout).toBe(1);
    expect(signatures).toHaveLength(1);
    expect(signatures[0]?.length).toBeGreaterThan(50);
    const said = ended.stdout + ended.stderr;
    expect(said).not.toContain(secretKey);
    expect(said).not.toContain(signatures[0]?.slice(0, 40));
    expect(said).not.toMatch(/usersig=/i);
  });

  test('passwords of stores that refuse them', async () => {
    const { secretKey, env } = await openStage();
    const redis = await startRedisServer();
    afterThisTest(() => redis.stop());
    await withRedis(redis.url, (admin) => admin.config('SET', 'requirepass', 'right-password'));
    const url = new URL(redis.url);
    url.password = 'hidden-redis';
    const { DATABASE_URL } = await redisAndPostgres();
    const database = new URL(DATABASE_URL);
    database.username = 'nobody-by-this-name';
    database.password = 'hidden-postgres';
    const ended = await run(['doctor'], {
      env: { ...env, QUEUE_URL: url.href, DATABASE_URL: database.href, LOG_LEVEL: 'trace' },
    });
    expect(ended.code, ended.stdout).toBe(1);
    expect(ended.stdout).toMatch(
      /queue .*WRONGPASS; what to do: check user and password in QUEUE_URL/,
    );
    expect(ended.stdout).toMatch(
      /ledger .*28\w+; what to do: check user and password in DATABASE_URL/,
    );
    const said = ended.stdout + ended.stderr;
    for (const secret of ['hidden', secretKey]) expect(said).not.toContain(secret);
  });
});

test('a flag that it does not know is a usage error', async () => {
  const ended = await run(['doctor', '--fix'], { env: {} });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
});

/** Until the test's end this process's clock differs from those of the servers, by so many milliseconds. */
function setClockOff(ms: number): void {
  const RealDate = globalThis.Date;
  afterThisTest(() => void (globalThis.Date = RealDate));
  globalThis.Date = class extends RealDate {
    constructor(...given: unknown[]) {
      super(...((given.length === 0 ? [RealDate.now() + ms] : given) as [number]));
    }
    static override now() {
      return RealDate.now() + ms;
    }
  } as DateConstructor;
}
