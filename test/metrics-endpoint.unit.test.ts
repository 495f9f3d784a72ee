import { describe, expect, test } from 'vitest';
import { openMetricsEndpoint, readinessOf } from '../src/metrics-endpoint.js';
import { afterThisTest } from './support/clean-up.js';

const registry = {
  contentType: 'text/plain; version=0.0.4',
  metrics: () => Promise.resolve('a 1\n'),
};

async function open(stores: Record<string, () => Promise<unknown>> = {}) {
  // Port 0 is for tests alone; METRICS_PORT is at least 1.
  const endpoint = await openMetricsEndpoint({
    ...{ port: 0, registry, readiness: readinessOf(stores) },
  });
  afterThisTest(() => endpoint.close());
  return { endpoint, get: get(endpoint.port) };
}

const get =
  (port: number) =>
  async (path: string, init?: RequestInit): Promise<{ status: number; body: string }> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return { status: response.status, body: await response.text() };
  };

test('metrics, life and readiness each have a path, and nothing else has', async () => {
  const { get } = await open();
  expect(await get('/metrics')).toEqual({ status: 200, body: 'a 1\n' });
  expect(await get('/livez?verbose')).toEqual({ status: 200, body: '{"ok":true,"troubles":[]}\n' });
  expect(await get('/readyz')).toMatchObject({ status: 200 });
  expect(await get('/')).toMatchObject({ status: 404 });
  expect(await get('/metrics/../secret')).toMatchObject({ status: 404 });
  expect(await get('/metrics', { method: 'POST', body: 'a 2' })).toMatchObject({ status: 405 });
});

describe('readiness', () => {
  test('says which store is away, while life does not look at stores', async () => {
    const away = () => Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
    const { get } = await open({ queue: () => Promise.resolve('PONG'), ledger: away });
    expect(await get('/readyz')).toEqual({
      status: 503,
      body: '{"ok":false,"troubles":["ledger: ECONNREFUSED"]}\n',
    });
    expect(await get('/livez')).toMatchObject({ status: 200 });
  });

  test('does not wait for a store that says nothing, asks it once, and hears it later', async () => {
    let asked = 0;
    let answer: () => void = () => undefined;
    const silent = () => {
      asked += 1;
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    };
    const { get } = await open({ queue: silent });
    expect((await get('/readyz')).body).toContain('queue: does not answer');
    expect((await get('/readyz')).status).toBe(503);
    expect(asked).toBe(1);
    answer();
    const later = get('/readyz');
    await expect.poll(() => asked).toBe(2);
    answer();
    expect((await later).status).toBe(200);
  });

  test('repeats no message of a store, which may hold its password', async () => {
    const wrong = () => Promise.reject(new Error('WRONGPASS for postgres://u:hunter2@db'));
    const { get } = await open({ ledger: wrong });
    const { body } = await get('/readyz');
    expect(body).toContain('WRONGPASS');
    expect(body).not.toContain('hunter2');
  });

  test('is over where the process ends, which still lives', async () => {
    const { endpoint, get } = await open();
    endpoint.drain();
    expect((await get('/readyz')).status).toBe(503);
    expect((await get('/livez')).status).toBe(200);
  });
});

test('metrics that cannot be told are an error without a word of it', async () => {
  const broken = { ...registry, metrics: () => Promise.reject(new Error('key=hunter2')) };
  const endpoint = await openMetricsEndpoint({
    ...{ port: 0, registry: broken, readiness: readinessOf({}) },
  });
  afterThisTest(() => endpoint.close());
  const { status, body } = await get(endpoint.port)('/metrics');
  expect(status).toBe(500);
  expect(body).not.toContain('hunter2');
});

test('a port that is taken is an error that names the variable', async () => {
  const { endpoint } = await open();
  const second = openMetricsEndpoint({
    ...{ port: endpoint.port, registry, readiness: readinessOf({}) },
  });
  await expect(second).rejects.toMatchObject({
    code: 'INVALID',
    message: `METRICS_PORT (of the worker of \`serve\`: WORKER_METRICS_PORT) must be a port that is free, got ${endpoint.port}: EADDRINUSE`,
  });
});
