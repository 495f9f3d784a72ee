import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openEmbedded, type EmbeddedDatabase } from '../../src/embedded/open-embedded.js';
import { createSharedSession, type SessionClient } from '../../src/embedded/shared-session.js';
import { queryMessage } from '../../src/embedded/wire.js';
import { connect, freshDatabase, query, queryAtLast } from './fixture.js';

let database: EmbeddedDatabase;

beforeAll(async () => {
  database = await openEmbedded(await freshDatabase());
});
afterAll(() => database.close());
beforeEach(() => query(database, 'drop table if exists t'));

describe('connections share a session and do not see it', () => {
  test('a transaction is alone: statements of others wait for its end', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    await one.query('create table t (n int)');
    await one.query('begin');
    await one.query('insert into t values (1)');
    const seen = other.query<{ n: number }>('select count(*)::int as n from t');
    await one.query('insert into t values (2)');
    await one.query('commit');
    expect((await seen).rows).toEqual([{ n: 2 }]);
  });

  test('what a transaction rolls back, another connection never sees', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    await one.query('create table t (n int)');
    await one.query('begin');
    await one.query('insert into t values (1)');
    const written = other.query('insert into t values (10)');
    await one.query('rollback');
    await written;
    expect((await one.query('select n from t')).rows).toEqual([{ n: 10 }]);
  });

  test('a client that leaves in mid-transaction is rolled back, and others go on', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    await one.query('create table t (n int)');
    await one.query('begin');
    await one.query('insert into t values (1)');
    const seen = other.query('select n from t');
    (one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    expect((await seen).rows).toEqual([]);
  });

  test('a failed statement fails its own connection only', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    const results = await Promise.allSettled([
      one.query('select 1 / $1::int', [0]),
      other.query('select $1::int as n', [1]),
      one.query('select nothing from nowhere'),
      other.query('select $1::int as n', [2]),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  test('statements with parameters do not mix, however many connections run them', async () => {
    const pool = new pg.Pool({ ...database.connection, max: 10 });
    try {
      const answers = await Promise.all(
        Array.from({ length: 400 }, async (_, n) => {
          // Two shapes, so that a mix-up is an error as well as a wrong value.
          const { rows } =
            n % 2 === 0
              ? await pool.query<{ v: string }>('select $1::text as v', [`t${n}`])
              : await pool.query<{ v: string }>(
                  `select 't' || x as v from unnest($1::int[]) x limit $2`,
                  [[n], 1],
                );
          return rows[0]?.v;
        }),
      );
      expect(answers).toEqual(Array.from({ length: 400 }, (_, n) => `t${n}`));
    } finally {
      await pool.end();
    }
  });

  test('two connections may use one name for different prepared statements', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    const run = async (client: pg.Client, text: string): Promise<unknown> =>
      (await client.query({ name: 'same', text, values: [1] })).rows;
    expect(await run(one, 'select $1::int as a')).toEqual([{ a: 1 }]);
    expect(await run(other, 'select $1::int + 1 as b')).toEqual([{ b: 2 }]);
    expect(await run(one, 'select $1::int as a')).toEqual([{ a: 1 }]);
  });

  test('prepared statements go with their connection', async () => {
    const client = new pg.Client(database.connection);
    await client.connect();
    await client.query({ name: 'mine', text: 'select $1::int', values: [1] });
    const left = `select count(*)::int as n from pg_prepared_statements where name like '%mine'`;
    expect(await query(database, left)).toEqual([{ n: 1 }]);
    await client.end();
    expect(await query(database, left)).toEqual([{ n: 0 }]);
  });

  test('a lock of a transaction excludes other transactions', async () => {
    const [one, other] = [await connect(database), await connect(database)];
    const order: string[] = [];
    const work = async (client: pg.Client, name: string): Promise<void> => {
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock(1)');
      order.push(`${name} in`);
      await sleep(20);
      await client.query('select 1');
      order.push(`${name} out`);
      await client.query('commit');
    };
    await Promise.all([work(one, 'a'), work(other, 'b')]);
    // Whichever came first, the other waited for its end.
    const [first] = order;
    expect(order).toEqual(
      first === 'a in' ? ['a in', 'a out', 'b in', 'b out'] : ['b in', 'b out', 'a in', 'a out'],
    );
  });

  test('a notification reaches a connection that listens although it is idle, and no other', async () => {
    const [listener, deaf] = [await connect(database), await connect(database)];
    const heard = new Promise<string | undefined>((resolve) =>
      listener.on('notification', ({ payload }) => resolve(payload)),
    );
    deaf.on('notification', () => expect.unreachable());
    await listener.query('-- as BullMQ writes it\nlisten news');
    await deaf.query(`select pg_notify('news', $1)`, ['hello']);
    expect(await heard).toBe('hello');
  });

  test('every connection finds the tables of BullMQ without a schema', async () => {
    expect(await query(database, 'show search_path')).toEqual([{ search_path: 'bullmq,public' }]);
  });

  test('COPY FROM STDIN and Flush end their connection with an error, not with a hang', async () => {
    const client = await connect(database);
    await expect(client.query('copy pg_class from stdin')).rejects.toMatchObject({ code: '0A000' });
    expect(await query(database, 'select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a message of several megabytes goes through whole', async () => {
    const ids = Array.from({ length: 8_000 }, (_, n) => `room-${n}-${'x'.repeat(500)}`);
    const sql = 'select count(*)::int as n, max(length(x)) as longest from unnest($1::text[]) x';
    expect(await query(database, sql, [ids])).toEqual([{ n: 8_000, longest: 510 }]);
  });
});

describe('one client holds up the others', () => {
  const answer = (type: string, body: string): Buffer => {
    const bytes = Buffer.from(`${type}0000${body}`, 'latin1');
    bytes.writeInt32BE(bytes.length - 1, 1);
    return bytes;
  };

  test('a transaction whose client says nothing more is ended, and the others go on', async () => {
    const executed: string[] = [];
    const session = createSharedSession({
      execute(bytes) {
        const sql = bytes.toString('latin1', 5, bytes.length - 1);
        executed.push(sql);
        return answer('Z', sql === 'begin' ? 'T' : 'I');
      },
      broken: () => expect.unreachable(),
      idleInTransactionMs: 50,
    });
    const silent = {
      listening: false,
      reply: () => undefined,
      end(sqlState: string) {
        executed.push(`end ${sqlState}`);
        session.leave(silent);
      },
    };
    session.join(silent);
    session.submit(silent, queryMessage('begin'));
    await sleep(1);
    await session.run(queryMessage('select 1'));
    expect(executed.slice(0, 4)).toEqual(['begin', 'end 25P03', 'rollback', 'select 1']);
  });

  test('the WAL is flushed before a reply is sent, and once for all that waited', async () => {
    const events: string[] = [];
    const session = createSharedSession({
      execute(bytes) {
        const sql = bytes.toString('latin1', 5, bytes.length - 1);
        events.push(sql.includes('pg_logical_emit_message') ? 'flush' : sql);
        return answer('Z', 'I');
      },
      broken: () => expect.unreachable(),
      // All of it in one turn.
      now: () => 0,
    });
    const client = (name: string): SessionClient => ({
      listening: false,
      reply: () => events.push(`reply ${name}`),
      end: () => expect.unreachable(),
    });
    const [one, other] = [client('one'), client('other')];
    session.join(one);
    session.join(other);
    session.submit(one, queryMessage('insert 1'));
    session.submit(other, queryMessage('insert 2'));
    await session.run(queryMessage('select'));
    expect(events).toEqual(['insert 1', 'insert 2', 'select', 'flush', 'reply one', 'reply other']);
  });

  test('who asks for much waits for those who ask for little, and has its share', async () => {
    const executed: string[] = [];
    let nowMs = 0;
    const session = createSharedSession({
      execute(bytes) {
        const sql = bytes.toString('latin1', 5, bytes.length - 1);
        if (!sql.includes('pg_logical_emit_message')) executed.push(sql);
        nowMs += sql === 'much' ? 100 : sql === 'little' ? 1 : 0;
        return answer('Z', 'I');
      },
      broken: () => expect.unreachable(),
      now: () => nowMs,
    });
    const client = (): SessionClient => ({
      ...{ listening: false, reply: () => undefined, end: () => expect.unreachable() },
    });
    const [one, other] = [client(), client()];
    session.join(one);
    session.join(other);
    for (let n = 0; n < 2; n++) session.submit(one, queryMessage('much'));
    for (let n = 0; n < 200; n++) session.submit(other, queryMessage('little'));
    await expect.poll(() => executed.length).toBe(202);
    expect(executed.flatMap((sql, index) => (sql === 'much' ? index : []))).toEqual([0, 101]);
  });
});

describe('maintenance', () => {
  test('dead rows are removed without a background process', async () => {
    await query(database, 'create table t as select n, n as v from generate_series(1, 5000) n');
    await query(database, 'update t set v = v + 1');
    const vacuumed = `select last_vacuum is not null as done from pg_stat_user_tables where relname = 't'`;
    await expect
      .poll(() => query(database, vacuumed), { timeout: 20_000, interval: 200 })
      .toEqual([{ done: true }]);
  });
});

describe('when the database breaks down', () => {
  test('when the database breaks down, its users get an error, and it comes back with what was committed', async () => {
    const client = await connect(database);
    await client.query('create table t as select 1 as n');
    await client.query(
      `create or replace function endless(n int) returns int language plpgsql
       as $$ begin return endless(n + 1); end $$`,
    );
    await expect(client.query('select endless(1)')).rejects.toThrow();
    expect(await queryAtLast(database, 'select n from t')).toEqual([{ n: 1 }]);
    expect(database.role).toBe('owner');
  });
});
