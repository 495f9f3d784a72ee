/** Which ledger a queue belongs to, the same on each place where a queue can live. */
import { describe, expect, test } from 'vitest';
import { adoptQueue, checkQueue, claimQueue, readLedgerId } from '../../src/ledger/identity.js';
import type { Database } from '../../src/ledger/database.js';
import { openQueue } from '../../src/queue/open.js';
import { useLedger } from '../ledger/fixture.js';
import { afterThisTest } from '../support/clean-up.js';
import { freshSdkAppId, startRedisServer, withRedis } from '../support/servers.js';
import { servers, useQueue } from './places.js';

const [first, second] = [useLedger(), useLedger()];

const refusal = {
  ...{ name: 'ReaperError', code: 'INVALID', remedy: 'adopt_queue' },
  message: expect.stringMatching(
    /^DATABASE_URL must lead to the ledger that the queue belongs to \(id \w{8}\), got another \((id \w{8}|one that nobody has used yet)\)/,
  ) as string,
};

describe.each(servers)('a queue on %s', (_name, open) => {
  const opened = useQueue(open);

  test('belongs to the first ledger that is used with it; to no other, until that is said', async () => {
    await claimQueue(first.database, opened.ledger);
    await claimQueue(first.database, opened.ledger);
    await checkQueue(first.database, opened.ledger);
    await expect(claimQueue(second.database, opened.ledger)).rejects.toMatchObject(refusal);
    await expect(checkQueue(second.database, opened.ledger)).rejects.toMatchObject(refusal);

    await adoptQueue(second.database, opened.ledger);

    await claimQueue(second.database, opened.ledger);
    await expect(claimQueue(first.database, opened.ledger)).rejects.toMatchObject(refusal);
  });

  test('of two that come at once one is refused', async () => {
    const claims = [first, second, first, second].map(({ database }) =>
      claimQueue(database, opened.ledger).then(
        () => 'taken',
        (error: unknown) => (error as { code: string }).code,
      ),
    );
    const [a, b] = [
      ['taken', 'INVALID', 'taken', 'INVALID'],
      ['INVALID', 'taken', 'INVALID', 'taken'],
    ];
    expect([a, b]).toContainEqual(await Promise.all(claims));
  });

  test('that lost its mark is marked again', async () => {
    await claimQueue(first.database, opened.ledger);
    await opened.queue.obliterate({ force: true });
    expect(await opened.ledger.read()).toBeUndefined();
    await claimQueue(first.database, opened.ledger);
    expect(await opened.ledger.read()).toBe(await readLedgerId(first.database));
  });

  test('that nobody marked is whose who looks, and looking marks nothing', async () => {
    await checkQueue(first.database, opened.ledger);
    expect(await opened.ledger.read()).toBeUndefined();
  });
});

test('a full Redis keeps nobody from the work that empties it', async () => {
  const server = await startRedisServer();
  afterThisTest(() => server.stop());
  const opened = await openQueue({
    sdkAppId: freshSdkAppId(),
    connection: { kind: 'redis', url: server.url },
    onError: () => undefined,
  });
  afterThisTest(() => opened.close());
  const full = (bytes: string) =>
    withRedis(server.url, (redis) => redis.config('SET', 'maxmemory', bytes));

  await full('1');
  await claimQueue(first.database, opened.ledger);
  expect(await opened.ledger.read()).toBeUndefined();
  await full('0');
  await claimQueue(first.database, opened.ledger);
  await full('1');
  await claimQueue(first.database, opened.ledger);
  await expect(claimQueue(second.database, opened.ledger)).rejects.toMatchObject(refusal);
});

describe('the id of a ledger', () => {
  const fresh = useLedger();

  test('is made on first use, not with its tables: a copy of an unused one is another ledger', async () => {
    await fresh.sql('delete from room_reaper.ledger_id');
    expect(await readLedgerId(fresh.database)).toBeUndefined();
    const mark = {
      read: () => Promise.resolve('0123456789'),
      claim: (id: string) => Promise.resolve(id),
    };
    await expect(
      checkQueue(fresh.database, { ...mark, set: () => Promise.resolve() }),
    ).rejects.toMatchObject(refusal);
    expect(await readLedgerId(fresh.database)).toBeUndefined();
  });

  test('is one, also where many use it first at the same time', async () => {
    await fresh.sql('delete from room_reaper.ledger_id');
    const claimed = new Set<string>();
    const mark = {
      read: () => Promise.resolve(undefined),
      claim(id: string) {
        claimed.add(id);
        return Promise.resolve(id);
      },
      set: () => Promise.resolve(),
    };
    const databases: Database[] = await Promise.all([1, 2, 3, 4].map(() => fresh.another()));
    await Promise.all(databases.map((database) => claimQueue(database, mark)));
    expect(claimed.size).toBe(1);
  });
});
