/**
 * The whole examination: what can be checked is checked, side by side, each within its time;
 * what depends on something that cannot be used says so. The order of the findings is fixed.
 *
 * It changes nothing: no schema is made or migrated, no database is made, no room is touched.
 */
import type { InspectedConfig } from '../config.js';
import { printable } from '../redact.js';
import { judgeClock } from './clock.js';
import { examineApi } from './examine-api.js';
import { examineStores } from './examine-stores.js';
import { ok, problem, type Finding } from './finding.js';
import { judgeLine } from './line.js';

export const checks = [
  'configuration',
  'embedded',
  'queue',
  'ledger',
  'clock',
  'endpoint',
  'signature',
  'line',
] as const;

export type Check = (typeof checks)[number];

export type Findings = Record<Check, Finding[]>;

/** @param nowMs - this machine's clock. */
export async function examine(inspected: InspectedConfig, nowMs: () => number): Promise<Findings> {
  const { config } = inspected;
  const [stores, api] = await Promise.all([examineStores(inspected), examineApi(inspected, nowMs)]);
  const host = config.endpoint === undefined ? undefined : new URL(config.endpoint).host;
  return {
    configuration: judgeConfiguration(inspected),
    embedded: stores.embedded,
    queue: stores.queue,
    ledger: stores.ledger,
    clock: judgeClock({
      ledgerOffsetMs: stores.ledgerOffsetMs,
      endpointOffsetMs: api.clockOffsetMs,
    }),
    endpoint: api.endpoint,
    signature: api.signature,
    line: judgeLine(stores.line, host, nowMs()),
  };
}

function judgeConfiguration({ config, problems }: InspectedConfig): Finding[] {
  if (problems.length > 0) {
    return problems.map((text) => problem(printable(text, 500), 'see docs/operations.md'));
  }
  const account = printable(config.credentials?.adminIdentifier ?? '');
  return [ok(`app ${config.sdkAppId ?? 0}, account ${account}, ${config.endpoint ?? ''}`)];
}
