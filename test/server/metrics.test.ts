/** What the service tells Prometheus. */
import { execFileSync } from 'node:child_process';
import { expect, inject, test } from 'vitest';
import { addDestructions } from '../../src/producer/add.js';
import { newId } from '../../src/queue/destruction-id.js';
import { ensureLine, stopLine } from '../../src/ledger/line.js';
import { fillMinutes } from '../../src/ledger/minutes.js';
import { useServer } from './fixture.js';

const { promtool = '' } = inject('servers');
const app = useServer();

async function scrape(): Promise<{ text: string; samples: Map<string, string> }> {
  const { status, text, headers } = await app.ask('/metrics', { as: 'nobody' });
  expect(status).toBe(200);
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return {
    text,
    samples: new Map(lines.map((line) => line.split(/ (?=\S+$)/) as [string, string])),
  };
}

test('it tells what stands in line and queue, and what it was asked, and names no room', async () => {
  const { service } = app;
  const { lineKey, lineId, intervalMs, database, config } = service;
  const { queue } = await service.queue();
  const asked = Date.now() - 60_000;
  const destruction = (roomId: string) => ({
    ...{ id: newId(), roomId, batchId: undefined },
    ...{ requestedAtMs: asked, notAfterMs: asked + 3_600_000 },
  });
  await addDestructions(queue, ['secret-room-1', 'secret-room-2'].map(destruction), {
    ...{ lane: 'bulk', delayMs: 0 },
  });
  await addDestructions(queue, [destruction('secret-room-3')], { lane: 'urgent', delayMs: 0 });
  await ensureLine(database, lineKey, intervalMs, 200);
  await stopLine(database, lineId, { code: 70003, reason: 'wrong key', remedy: undefined });
  await fillMinutes(database, config.sdkAppId);
  await app.sql(
    "update room_reaper.events set trouble = 'HTTP 500' where type = 'line.stopped' and sdk_app_id = $1",
    [config.sdkAppId],
  );
  await app.ask('/v1/rooms?roomId=secret-room-1');
  await app.ask('/v1/no-such-path');

  const { text, samples } = await scrape();
  const { host } = lineKey;
  expect(samples.get('room_reaper_store_up{store="queue"}')).toBe('1');
  expect(samples.get('room_reaper_store_up{store="ledger"}')).toBe('1');
  expect(samples.get(`room_reaper_line_state{host="${host}",state="stopped"}`)).toBe('1');
  expect(samples.get(`room_reaper_line_state{host="${host}",state="running"}`)).toBe('0');
  expect(samples.get('room_reaper_quota_requests_per_second')).toBe('200');
  expect(samples.get('room_reaper_queue_jobs{state="waiting"}')).toBe('3');
  expect(samples.get('room_reaper_queue_waiting_jobs{lane="bulk"}')).toBe('2');
  expect(samples.get('room_reaper_queue_waiting_jobs{lane="urgent"}')).toBe('1');
  const oldest = Number(samples.get('room_reaper_oldest_waiting_seconds'));
  expect(oldest).toBeGreaterThanOrEqual(60);
  const told = (await app.ask('/v1/status')).json as { queue: { oldestAt: string } };
  expect(Date.parse(told.queue.oldestAt)).toBeLessThanOrEqual(Date.now() - oldest * 1_000 + 1_000);
  expect(samples.get('room_reaper_eta_seconds')).toBe('Nan');
  expect(samples.get('room_reaper_worst_window_requests')).toBe('0');
  expect(samples.get('room_reaper_unfinished_batches')).toBe('0');
  expect(samples.get('room_reaper_failing_deliveries')).toBe('1');
  const answered = (labels: string) => samples.get(`room_reaper_http_requests_total{${labels}}`);
  expect(answered('method="GET",path="/v1/rooms",status="200"')).toBe('1');
  expect(answered('method="GET",path="none",status="404"')).toBe('1');
  expect(text).not.toMatch(/secret-room|no-such-path|rr_/);
  if (promtool !== '') execFileSync(promtool, ['check', 'metrics'], { input: text });
});
