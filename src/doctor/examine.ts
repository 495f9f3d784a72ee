/**
 * The whole examination: what can be checked is checked, side by side, each within its time;
 * what depends on something that cannot be used says so. The order of the findings is fixed.
 *
 * It changes nothing: no schema is made or migrated, no database is made, no room is touched.
 */
import type { InspectedConfig } from '../config.js';
import { ReaperError } from '../errors.js';
import { configuredProtection, describeProtected } from '../protected-rooms.js';
import { printable } from '../redact.js';
import { deliveriesFail, deliveriesRemedy, instant } from '../text.js';
import { judgeClock } from './clock.js';
import { examineApi } from './examine-api.js';
import { examineStores, type ExaminedStores } from './examine-stores.js';
import { ok, problem, warning, type Finding, type Level } from './finding.js';
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
  'notifications',
] as const;

export type Check = (typeof checks)[number];

export type Findings = Record<Check, Finding[]>;

/** @param nowMs - this machine's clock. */
export async function examine(inspected: InspectedConfig, nowMs: () => number): Promise<Findings> {
  const { config } = inspected;
  const [stores, api] = await Promise.all([examineStores(inspected), examineApi(inspected, nowMs)]);
  const host = config.endpoint === undefined ? undefined : new URL(config.endpoint).host;
  return {
    configuration: [
      ...judgeConfiguration(inspected),
      ...judgeProtection(config.protectedRoomsFile),
    ],
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
    notifications: [
      ...judgeNotify(config.notify),
      ...judgeDeliveries(stores.deliveries, nowMs()),
      ...judgeWebhook(config.webhookToken !== undefined, stores.lastRoomEventMs, nowMs()),
    ],
  };
}

function judgeConfiguration({ config, problems, warnings }: InspectedConfig): Finding[] {
  const where = 'see docs/operations.md';
  const doubts = warnings.map((text) => warning(text, where));
  if (problems.length > 0)
    return [...problems.map((text) => problem(printable(text, 500), where)), ...doubts];
  const account = printable(config.credentials?.adminIdentifier ?? '');
  return [
    ok(`app ${config.sdkAppId ?? 0}, account ${account}, ${config.endpoint ?? ''}`),
    ...doubts,
  ];
}

/** Whether the list of protected rooms is read as it is meant: a worker would not start with another. */
function judgeProtection(file: string | undefined): Finding[] {
  if (file === undefined) return [];
  try {
    return [ok(describeProtected(configuredProtection(file)))];
  } catch (error) {
    if (!(error instanceof ReaperError)) throw error;
    return [problem(error.message, 'correct the file: no worker starts with it')];
  }
}

/** What is wrong with it is a problem of the configuration; nothing is sent. */
function judgeNotify(notify: { url: string } | undefined): Finding[] {
  // Its path and query may hold a token.
  return notify === undefined ? [] : [ok(`\`serve\` sends them to ${new URL(notify.url).origin}`)];
}

function judgeDeliveries(failing: ExaminedStores['deliveries'], nowMs: number): Finding[] {
  if (failing === undefined) return [];
  return [warning(deliveriesFail(failing, nowMs), deliveriesRemedy)];
}

/** Whether the API tells `serve` of rooms that end. Without a token, another service may pass it on. */
function judgeWebhook(hasToken: boolean, lastMs: number | undefined, nowMs: number): Finding[] {
  if (!hasToken && lastMs === undefined) return [];
  const token = `the token of the webhook is ${hasToken ? '' : 'not '}set`;
  const last =
    lastMs === undefined
      ? 'the API has not told of any room yet'
      : `the API last told of a room at ${instant(lastMs, nowMs)}`;
  return [ok(`${token}; ${last}`)];
}

/** In the order of the checks. */
export function inOrder(findings: Findings): (Finding & { check: Check })[] {
  return checks.flatMap((check) => findings[check].map((finding) => ({ check, ...finding })));
}

export function countOf(findings: Findings, level: Level): number {
  return inOrder(findings).filter((finding) => finding.level === level).length;
}

/** The shape is a contract. */
export function findingsJson(findings: Findings): object {
  return {
    problems: countOf(findings, 'problem'),
    warnings: countOf(findings, 'warning'),
    findings: inOrder(findings).map(({ check, level, text, remedy }) => ({
      ...{ check, level, text, remedy },
    })),
  };
}
