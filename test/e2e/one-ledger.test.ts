/** A queue belongs to one ledger: with another one nothing is sent, added or shown. */
import { expect, test } from 'vitest';
import { createDatabase, withPostgres } from '../support/servers.js';
import { afterThisTest, run } from './room-reaper.js';
import { lines, openStage, postgresOnly, redisAndPostgres, roomIds } from './stage.js';

const refused =
  /^room-reaper: DATABASE_URL must lead to the ledger that the queue belongs to \(id \w{8}\), got another \(.*\): two ledgers would each use the whole quota; set it as the other workers have it\. If the queue is to go on with this ledger, stop all workers and run `room-reaper migrate --adopt-queue`$/m;

test.each([
  ['Redis', redisAndPostgres],
  ['Postgres', postgresOnly],
])('a queue in %s refuses another ledger, until it is adopted on purpose', async (_, open) => {
  const { env, server } = await openStage();
  const stores = await open();
  const other = await createDatabase();
  afterThisTest(() => other.drop());
  const first = { env: { ...env, ...stores } };
  const second = { env: { ...env, ...stores, DATABASE_URL: other.url } };
  await run(['migrate'], second);
  const batch = ['--batch', 'evening', '--yes'];
  await run(['enqueue', '-', ...batch], { ...first, stdin: lines(roomIds(3)) });

  for (const args of [
    ['worker'],
    ['enqueue', '--room', 'a'],
    ['destroy', '--room', 'a'],
    ['cancel', '--all'],
    ['pause'],
    ['status'],
    ['explain', 'a'],
  ]) {
    const ended = await run(args, second);
    expect(ended.stderr, args.join(' ')).toMatch(refused);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
  }
  const doctor = await run(['doctor'], second);
  expect(doctor.stdout).toMatch(/problem +queue +it belongs to another ledger .*--adopt-queue/);
  expect(doctor.code).toBe(1);
  expect((await run(['doctor'], first)).code).toBe(0);
  expect((await server.report()).requests).toEqual([]);

  const adopted = await run(['migrate', '--adopt-queue', '--json'], second);
  expect(JSON.parse(adopted.stdout)).toMatchObject({ adopted: true });
  const { rows } = await withPostgres(other.url, (client) =>
    client.query('select what, outcome from room_reaper.actions order by id desc limit 1'),
  );
  expect(rows).toEqual([{ what: 'queue.adopt', outcome: 'done' }]);
  expect((await run(['doctor'], second)).stdout).not.toMatch(/^problem/m);
  const destroyed = await run(['destroy', '--room', 'room-0000'], second);
  expect(destroyed.code, destroyed.stderr).toBe(0);
  expect((await run(['status'], first)).stderr).toMatch(refused);
});
