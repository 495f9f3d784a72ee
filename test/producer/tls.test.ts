/** A service's own certificates for its connections to the queue and to the ledger. */
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openProducer, type ProducerOptions } from '../../src/producer/index.js';
import { expired, key, valid } from '../e2e/certificates.js';
import { createDatabase, freshRedis, freshSdkAppId } from '../support/servers.js';

const passphrase = 's3cret';
const own = { ca: valid, cert: valid, key };
const locked = createPrivateKey(key)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
  .toString();

/** A server behind TLS that lets in who has a certificate. @returns its URL. */
async function behindTls(url: string): Promise<string> {
  const { port, hostname, protocol } = new URL(url);
  const isPostgres = protocol === 'postgres:';
  const open = new Set<Socket>();
  const server = createServer((raw) => {
    open.add(raw.on('error', () => raw.destroy()));
    const go = () => {
      const secure = new TLSSocket(raw, {
        ...{ isServer: true, cert: valid, key, ca: valid },
        ...{ requestCert: true, rejectUnauthorized: true },
      });
      const plain = connect(Number(port), hostname);
      open.add(plain);
      for (const [one, other] of [
        [secure, plain],
        [plain, secure],
      ] as const) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
      }
    };
    // A Postgres is asked in plain whether it has TLS.
    if (!isPostgres) {
      go();
      return;
    }
    raw.once('data', () => {
      raw.pause();
      raw.write('S', go);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const secured = new URL(url);
  secured.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return secured.href.replace('redis:', 'rediss:');
}

async function use(options: Omit<ProducerOptions, 'sdkAppId'>, rooms: readonly string[]) {
  const producer = await openProducer({ sdkAppId: freshSdkAppId(), ...options });
  try {
    return await Promise.all(rooms.map((room) => producer.destroy(room)));
  } finally {
    await producer.close();
  }
}

describe.each([
  ['Redis', freshRedis],
  ['Postgres', createDatabase],
])('a queue on a %s with TLS', (_name, open) => {
  test.each([
    ['of its own', own],
    [
      'of its own, with a key that is locked',
      { ...own, ca: [Buffer.from(valid)], key: locked, passphrase },
    ],
  ])('is used with certificates %s', async (_which, tls) => {
    const { url, drop } = await open();
    onTestFinished(drop);
    const queueUrl = await behindTls(url);
    expect(await use({ queueUrl, tls }, ['a'])).toMatchObject([{ status: 'added' }]);
  });

  test('lets in nobody without them, and trusts no server that none of them vouches for', async () => {
    const { url, drop } = await open();
    onTestFinished(drop);
    const queueUrl = await behindTls(url);
    for (const tls of [{ ca: valid }, { ...own, ca: expired }]) {
      await expect(use({ queueUrl, tls }, [])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    }
  });
});

test('a ledger has certificates of its own too', async () => {
  const [redis, database] = await Promise.all([freshRedis(), createDatabase()]);
  onTestFinished(redis.drop);
  onTestFinished(database.drop);
  const producer = await openProducer({
    ...{ queueUrl: redis.url, databaseUrl: await behindTls(database.url) },
    ...{ databaseTls: own, sdkAppId: freshSdkAppId() },
  });
  onTestFinished(() => producer.close());
  await producer.destroyMany(['a'], { batch: 'evening' });
  expect(await producer.batch('evening')).toMatchObject({ total: 1 });
});

test.each<[options: object, message: RegExp]>([
  [{ tls: own }, /^tls must go with a queueUrl of rediss/],
  [{ queueUrl: 'embedded', tls: own }, /^tls must go with a queueUrl of rediss/],
  [{ queueUrl: 'postgres://host/x?sslmode=require', tls: own }, /^tls must .* no ssl/],
  [{ databaseTls: own }, /^databaseTls must go with a databaseUrl/],
  [
    { queueUrl: 'rediss://host', tls: { ...own, rejectUnauthorized: false } },
    /nothing but ca, cert/,
  ],
  [{ queueUrl: 'rediss://host', tls: true }, /^tls must be an object/],
  [{ queueUrl: 'rediss://host', tls: { cert: valid } }, /both cert and key/],
  [{ queueUrl: 'rediss://host', tls: { ca: '/etc/ca.pem' } }, /not the path/],
  [{ queueUrl: 'rediss://host', tls: { ca: '' } }, /not the path/],
  [{ queueUrl: 'rediss://host', tls: { ...own, key: locked, passphrase: 'wr0ng' } }, /passphrase/],
])(
  'certificates that would be ignored, or are none, are refused: case %#',
  async (options, message) => {
    const opening = openProducer({ queueUrl: 'redis://host', sdkAppId: 1, ...options });
    const error: unknown = await opening.catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(message) as string,
    });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/wr0ng|PRIVATE KEY/);
  },
);
