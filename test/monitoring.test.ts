/** What deploy/ and the docs have for Prometheus and Grafana, against what is exported, by promtool. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import type { Service } from '../src/operations/service.js';
import type { Status } from '../src/operations/status.js';
import { createServerMetrics } from '../src/server/metrics.js';
import { openMetrics } from '../src/worker/metrics.js';
import { afterThisTest, folderWith } from './e2e/room-reaper.js';
import { freePort } from './support/program.js';

const { promtool = '' } = inject('servers');
const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const rules = fileURLToPath(new URL('../deploy/prometheus/alerts.yml', import.meta.url));

interface Panel {
  id: number;
  type: string;
  title: string;
  datasource?: { uid: string };
  gridPos: { h: number; w: number; x: number; y: number };
  targets?: { expr: string }[];
}

interface Dashboard {
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string; type: string; definition?: string }[] };
}

const dashboard = JSON.parse(read('deploy/grafana/room-reaper.json')) as Dashboard;

/** What a worker and `serve` export, as they say it of themselves. */
async function exported(): Promise<{ worker: string; serve: string }> {
  const port = await freePort();
  const worker = await openMetrics(port, {});
  afterThisTest(() => worker.close());
  const away = { queue: undefined, ledger: undefined } as Status;
  const serve = await createServerMetrics({ config: { rateLimitPerSecond: 200 } } as Service, () =>
    Promise.resolve({ value: away, json: '', etag: '' }),
  );
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return { worker: await response.text(), serve: await serve.metrics() };
}

/** Names of metrics, with those of the parts of a histogram. */
function namesIn(exposition: string): string[] {
  return [...exposition.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram'
      ? [name, ...['bucket', 'sum', 'count'].map((part) => `${name}_${part}`)]
      : name,
  );
}

test('rules, dashboard and docs name what is exported, and the docs name all of it', async () => {
  const { worker, serve } = await exported();
  const names = new Set([...namesIn(worker), ...namesIn(serve)]);
  const docs =
    read('docs/operations.md').split('## Metrics and health')[1]?.split('\n## ')[0] ?? '';
  const expressions = dashboard.panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }) => expr),
  );
  const variables = dashboard.templating.list.map(({ definition = '' }) => definition);
  for (const text of [read('deploy/prometheus/alerts.yml'), docs, ...expressions, ...variables]) {
    // `room_reaper_process_…` stands for many.
    for (const [name] of text.matchAll(/\broom_reaper_\w+(?![\w…])/g))
      expect(names).toContain(name);
  }
  expect(expressions.length).toBeGreaterThan(20);
  const own = [...names].filter((name) => !/_(bucket|sum|count)$|_(process|nodejs)_/.test(name));
  for (const name of own) expect(docs).toContain(`\`${name}`);
});

test('the dashboard needs no plugin and no data source of ours, and its panels do not overlap', () => {
  const { panels, templating, schemaVersion } = dashboard;
  expect(schemaVersion).toBeGreaterThanOrEqual(39);
  expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
  expect(new Set(panels.map(({ type }) => type))).toEqual(new Set(['row', 'stat', 'timeseries']));
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { type, datasource } of panels)
    if (type !== 'row') expect(datasource?.uid).toBe('${datasource}');
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) => {
    expect(x + w).toBeLessThanOrEqual(24);
    return Array.from({ length: h * w }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`);
  });
  expect(new Set(cells).size).toBe(cells.length);
});

/** What a rule is tested with: series of half an hour, minute by minute. */
const well = {
  room_reaper_worker_info: '1',
  'room_reaper_store_up{store="queue"}': '1',
  'room_reaper_store_up{store="ledger"}': '1',
  'room_reaper_line_state{host="api",state="running"}': '1',
  'room_reaper_line_state{host="api",state="stopped"}': '0',
  room_reaper_worst_window_requests: '200',
  room_reaper_quota_requests_per_second: '200',
  room_reaper_oldest_waiting_seconds: '7200',
  room_reaper_sent_requests_per_second: '190',
  room_reaper_failing_deliveries: '0',
  'room_reaper_attempts_total{verdict="destroyed"}': '0+6000x30',
  'room_reaper_attempts_total{verdict="transient"}': '0+60x30',
  'room_reaper_attempts_total{verdict="over_quota"}': '0',
  'room_reaper_attempts_total{verdict="stop_line"}': '0',
  room_reaper_statistics_lost_total: '0',
  room_reaper_unsaved_results_total: '0',
  'room_reaper_outcomes_total{outcome="failed"}': '0',
  'room_reaper_slots_total{use="in_time"}': '0+6000x30',
  'room_reaper_slots_total{use="given_up"}': '0+60x30',
};

/** The same of two `serve` and of a worker that find all that a rule is there for. */
const ill: typeof well = {
  ...well,
  'room_reaper_store_up{store="ledger"}': '0',
  'room_reaper_line_state{host="api",state="stopped"}': '1',
  room_reaper_worst_window_requests: '201',
  room_reaper_sent_requests_per_second: '0',
  room_reaper_failing_deliveries: '3',
  'room_reaper_attempts_total{verdict="transient"}': '0+9000x30',
  'room_reaper_attempts_total{verdict="over_quota"}': '0+1x30',
  'room_reaper_attempts_total{verdict="stop_line"}': '0+1x30',
  room_reaper_statistics_lost_total: '0+1x30',
  room_reaper_unsaved_results_total: '0+1x30',
  'room_reaper_outcomes_total{outcome="failed"}': '0+1x30',
  'room_reaper_slots_total{use="given_up"}': '0+6000x30',
};

function seriesOf(values: Readonly<Record<string, string>>) {
  return Object.entries(values).map(([name, value]) => ({
    series: name.includes('{')
      ? name.replace('{', '{job="room-reaper",instance="a",')
      : `${name}{job="room-reaper",instance="a"}`,
    values: value.includes('x') ? value : `${value}x30`,
  }));
}

test.skipIf(promtool === '')(
  'Prometheus takes the rules, and each speaks where it should and nowhere else',
  () => {
    const said = execFileSync(promtool, ['check', 'rules', rules], { encoding: 'utf8' });
    const [, found] = /SUCCESS: (\d+) rules found/.exec(said) ?? [];
    const all = [...read('deploy/prometheus/alerts.yml').matchAll(/- alert: (\w+)/g)].map(
      ([, name = '']) => name,
    );
    expect(all).toHaveLength(Number(found));
    const absent = ['RoomReaperNoServe', 'RoomReaperNoWorker'];
    const heard = (values: Readonly<Record<string, string>>, alerts: readonly string[]) => ({
      interval: '1m',
      input_series: seriesOf(values),
      promql_expr_test: [
        {
          expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: '30m',
          exp_samples: alerts.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
        },
      ],
    });
    const folder = folderWith();
    const tests = join(folder, 'tests.yml');
    writeFileSync(
      tests,
      stringify({
        rule_files: [rules],
        evaluation_interval: '1m',
        tests: [
          heard(well, []),
          heard(
            ill,
            all.filter((name) => !absent.includes(name)),
          ),
          heard({}, absent),
        ],
      }),
    );
    execFileSync(promtool, ['test', 'rules', tests], { stdio: 'pipe' });

    // What Grafana fills in stands for itself.
    const asRules = dashboard.panels.flatMap(({ targets = [], id }) =>
      targets.map(({ expr }, at) => ({
        record: `panel:${id}:${at}`,
        expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*'),
      })),
    );
    const asked = join(folder, 'dashboard.yml');
    writeFileSync(asked, stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
    execFileSync(promtool, ['check', 'rules', asked], { stdio: 'pipe' });
  },
);
