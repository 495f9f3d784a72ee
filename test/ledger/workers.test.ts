import { beforeEach, expect, test } from 'vitest';
import { beat, forgetOldWorkers, readWorkers, type WorkerBeat } from '../../src/ledger/workers.js';
import { freshSdkAppId } from '../support/servers.js';
import { useLedger } from './fixture.js';

const ledger = useLedger();
let worker: WorkerBeat;

beforeEach(() => {
  worker = {
    ...{ id: `worker-${freshSdkAppId()}`, lineId: 'line', sdkAppId: freshSdkAppId() },
    ...{ host: 'box-7', pid: 4123, version: '1.0.0', keyFingerprint: '3fa9c1d2' },
    ...{ state: 'running', reason: undefined, inHand: 40 },
  };
});

const age = (seconds: number) =>
  ledger.sql(
    `update room_reaper.workers set seen_at = seen_at - $2 * interval '1 second' where id = $1`,
    [worker.id, seconds],
  );
const seen = () => readWorkers(ledger.database, worker.sdkAppId);

test('a worker is what it last said of itself, since it started', async () => {
  await beat(ledger.database, worker);
  const [first] = await seen();
  expect(first).toMatchObject({ ...worker, isAlive: true });
  const holding = { ...worker, state: 'holding_back' as const, reason: 'no answer', inHand: 0 };
  await beat(ledger.database, holding);
  expect(await seen()).toMatchObject([{ ...holding, startedAtMs: first?.startedAtMs }]);
});

test('one that is not heard of for three beats is missed, for some minutes', async () => {
  await beat(ledger.database, worker);
  await age(16);
  expect(await seen()).toMatchObject([{ id: worker.id, isAlive: false }]);
  await age(600);
  expect(await seen()).toEqual([]);
});

test('one that has ended is missed by nobody', async () => {
  await beat(ledger.database, worker);
  await beat(ledger.database, { ...worker, state: 'ended' });
  expect(await seen()).toEqual([]);
});

test('a worker of another app is not shown', async () => {
  await beat(ledger.database, worker);
  expect(await readWorkers(ledger.database, freshSdkAppId())).toEqual([]);
});

test('rows of workers that were gone long ago are removed', async () => {
  await beat(ledger.database, worker);
  await age(31 * 86_400);
  await forgetOldWorkers(ledger.database);
  expect(await ledger.sql('select id from room_reaper.workers where id = $1', [worker.id])).toEqual(
    [],
  );
});
