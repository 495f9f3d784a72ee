/** What is about the process: that it is killed, and that it is told to end. */
import { expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import { lines, openStage, redisAndPostgres, roomIds } from '../e2e/stage.js';
import { freePort } from '../support/program.js';
import { askAt } from './fixture.js';

test('a list that was taken comes onto the queue whole, each room once, though the server is killed', async () => {
  const env = { ...(await openStage()).env, ...(await redisAndPostgres()), LOG_LEVEL: 'silent' };
  const made = await run(['token', 'create', '--name', 'shop', '--role', 'operator'], { env });
  const headers = { Authorization: `Bearer ${made.stdout.trim()}`, 'Content-Type': 'text/plain' };

  async function serve() {
    const served = start(['serve', '--port', '0'], { env });
    const url = (await served.said(/serves http\S+/)).replace('serves ', '');
    return {
      served,
      url,
      ask: (path: string, more = {}) => askAt(url, path, { headers, ...more }),
    };
  }
  const first = await serve();
  const rooms = roomIds(4_000);
  const answer = await first.ask('/v1/batches?expect=4000', {
    method: 'POST',
    body: lines(rooms),
  });
  expect(answer.status).toBe(202);
  first.served.kill('SIGKILL');
  await first.served.ended;
  const { batchId } = answer.json as { batchId: string };

  const second = await serve();
  const batch = async () => (await second.ask(`/v1/batches/${batchId}`)).json;
  await expect.poll(batch, { timeout: 60_000 }).toMatchObject({ state: 'waiting' });
  const { queue } = (await second.ask('/v1/status')).json as { queue: { waiting: number } };
  expect(queue.waiting).toBe(4_000);

  // Told to end, it answers who waits, and ends in order.
  const known = { Prefer: 'wait=40', 'If-None-Match': '*' };
  const waits = second.ask(`/v1/batches/${batchId}`, { headers: { ...headers, ...known } });
  await expect.poll(async () => (await second.ask('/livez')).status).toBe(200);
  second.served.kill('SIGTERM');
  expect([204, 304]).toContain((await waits).status);
  expect(await second.served.ended).toMatchObject({ code: 0 });
});

test('who tries it gets a server, a worker, a stand-in API, a token and a sign-in link by one command', async () => {
  const [own, workers] = [await freePort(), await freePort()];
  const ports = { METRICS_PORT: String(own), WORKER_METRICS_PORT: String(workers) };
  const served = start(['serve', '--simulate', '--port', '0'], {
    env: { LOG_LEVEL: 'silent', ...ports },
  });
  const tried = await served.said(/Bearer rr_[\w-]+.*http\S+\/v1\/batches/);
  const [, token = '', url = ''] = /(rr_[\w-]+).*(http\S+)\/v1\/batches/.exec(tried) ?? [];
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await askAt(url, '/v1/batches', {
    headers,
    body: { rooms: ['room-000001', 'b'] },
  });
  const { batchId } = answer.json as { batchId: string };
  const batch = async () => (await askAt(url, `/v1/batches/${batchId}`, { headers })).json;
  const link = await served.said(/http\S+\/#sign-in=\S+/);
  const body = { token: /#sign-in=(\S+)/.exec(link)?.[1] };
  expect((await askAt(url, '/session', { body })).json).toMatchObject({ name: 'local' });
  await expect.poll(batch, { timeout: 60_000 }).toMatchObject({
    ...{ state: 'finished', outcomes: { destroyed: 2 } },
  });
  // Each tells what it knows, at a port of its own.
  const metrics = (port: number) => askAt(`http://127.0.0.1:${port}`, '/metrics');
  expect((await metrics(workers)).text).toMatch(/^room_reaper_outcomes_total\{.*"\} 2$/m);
  expect((await metrics(own)).text).not.toContain('room_reaper_outcomes_total');
  expect((await metrics(own)).text).toContain('room_reaper_http_requests_total');
  // The stand-in API tells the server of the rooms that went, as the real one would.
  await expect
    .poll(async () => (await metrics(own)).text)
    .toMatch(/^room_reaper_webhooks_total\{.*result="received".*\} 2$/m);
  served.kill('SIGTERM');
  expect(await served.ended).toMatchObject({ code: 0 });
});
