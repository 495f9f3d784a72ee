import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { askPostgres } from '../support/postgres.js';
import {
  createDatabase,
  createFreshDatabase,
  freshRedis,
  startPostgresServer,
  startRedisServer,
  withPostgres,
  withRedis,
} from '../support/servers.js';

describe('shared servers', () => {
  it('two databases know nothing of each other, and a dropped one is gone', async () => {
    const [one, two] = await Promise.all([createFreshDatabase(), createFreshDatabase()]);
    await withPostgres(one.url, (client) => client.query('CREATE TABLE rooms ()'));
    await withPostgres(two.url, (client) => client.query('CREATE TABLE rooms ()'));
    await Promise.all([one.drop(), two.drop()]);
    await expect(withPostgres(one.url, (client) => client.query('SELECT 1'))).rejects.toThrow();
  });

  it('a database that was given back is used again, without the rows and connections that it had', async () => {
    const one = await createDatabase();
    const writer = new Client({ connectionString: one.url });
    const ended = new Promise((resolve) =>
      writer.on('error', () => undefined).once('end', resolve),
    );
    await writer.connect();
    await writer.query('CREATE TABLE IF NOT EXISTS rooms (id serial)');
    await writer.query('INSERT INTO rooms DEFAULT VALUES');
    await one.drop();
    await ended;
    const again = await createDatabase();
    expect(again.url).toBe(one.url);
    const { rows } = await withPostgres(again.url, async (client) => {
      await client.query('INSERT INTO rooms DEFAULT VALUES');
      return client.query('SELECT id FROM rooms');
    });
    expect(rows).toEqual([{ id: 1 }]);
    await withPostgres(again.url, (client) => client.query('DROP TABLE rooms'));
    await again.drop();
  });

  it('two Redis databases know nothing of each other, and a dropped one is empty', async () => {
    const [one, two] = await Promise.all([freshRedis(), freshRedis()]);
    expect(one.url).not.toBe(two.url);
    await withRedis(one.url, (redis) => redis.set('room', 'a'));
    expect(await withRedis(two.url, (redis) => redis.get('room'))).toBeNull();
    await Promise.all([one.drop(), two.drop()]);
    expect(await withRedis(one.url, (redis) => redis.dbsize())).toBe(0);
  });

  it('the shared Redis runs with the shipped settings', async () => {
    const { url, drop } = await freshRedis();
    const policy = await withRedis(url, (redis) => redis.config('GET', 'maxmemory-policy'));
    const listpack = await withRedis(url, (redis) =>
      redis.config('GET', 'hash-max-listpack-value'),
    );
    await drop();
    expect([policy, listpack]).toEqual([
      ['maxmemory-policy', 'noeviction'],
      ['hash-max-listpack-value', '256'],
    ]);
  });
});

describe("a server of a test's own", () => {
  it('Redis comes back on the same port with its data after kill -9', async () => {
    const server = await startRedisServer({ settings: { appendfsync: 'always' } });
    onTestFinished(() => server.stop());
    await withRedis(server.url, (redis) => redis.set('room', 'a'));
    await server.kill();
    await expect(withRedis(server.url, (redis) => redis.get('room'))).rejects.toThrow();
    await server.restart();
    expect(await withRedis(server.url, (redis) => redis.get('room'))).toBe('a');
    await server.restart();
    expect(await withRedis(server.url, (redis) => redis.get('room'))).toBe('a');
    await server.stop();
    await server.stop();
    await expect(withRedis(server.url, (redis) => redis.ping())).rejects.toThrow();
  });

  it('Postgres comes back on the same port with its data after kill -9', async () => {
    const server = await startPostgresServer();
    onTestFinished(() => server.stop());
    await withPostgres(server.url, (client) => client.query('CREATE TABLE rooms ()'));
    await server.kill();
    // A session that was open may live a moment longer than its server.
    await expect(askPostgres(server.url)).rejects.toThrow();
    await server.restart();
    await withPostgres(server.url, (client) => client.query('SELECT FROM rooms'));
    await server.restart();
    await withPostgres(server.url, (client) => client.query('SELECT FROM rooms'));
  });

  it('a stopped Redis hangs and a continued one answers', async () => {
    const server = await startRedisServer();
    onTestFinished(() => server.stop());
    await server.kill('SIGSTOP');
    let answered = false;
    const asking = withRedis(server.url, (redis) => redis.ping()).then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(answered).toBe(false);
    await server.kill('SIGCONT');
    await asking;
  });
});
