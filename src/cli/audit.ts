/** `room-reaper audit`: whether the quota was kept, from what the workers recorded. */
import { Command } from 'commander';
import { stringify } from 'lossless-json';
import { readConfig, type Config } from '../config.js';
import { ReaperError } from '../errors.js';
import { auditBatch, auditSince, type Audit } from '../ledger/audit.js';
import type { Database } from '../ledger/database.js';
import { requestsInWindow, type SentRequest, type SentToHost } from '../ledger/sent.js';
import { findBatch, sayNewest } from './find-batch.js';
import { exitCodes, print, type Io } from './io.js';
import { count, rooms } from '../text.js';
import { readDuration } from './when.js';
import { withLedger } from './with-stores.js';

interface AuditFlags {
  batch?: string;
  since?: string;
  json?: boolean;
}

const help = `
Examples:
  room-reaper audit
  room-reaper audit --since 1d
  room-reaper audit --batch new-year --json

All requests of the app count, whatever they were for, by endpoint host: the quota is the
app's, at each host. It shows when they were sent, as the workers recorded it on the
database's clock; when they arrived differs by at most ARRIVAL_JITTER_MS.

Exit codes: 0 the quota was kept; 1 it was not.`;

export function auditCommand(io: Io): Command {
  return new Command('audit')
    .description('prove from the recorded requests that the quota was kept')
    .option('--batch <BATCH>', 'the time of this batch, by id or name')
    .option('--since <TIME>', 'the last so long: 90s, 30m, 2h, 1d (default: 1h)')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: AuditFlags) => {
      if (flags.batch !== undefined && flags.since !== undefined) {
        throw new ReaperError('INVALID', '--batch and --since must not both be given; keep one');
      }
      const sinceMs = readDuration('--since', flags.since ?? '1h');
      const config = readConfig(io.env, { app: true, credentials: false });
      io.exitCode = await withLedger(config, io, async ({ database }) => {
        const audit = await readAudit(database, config, flags.batch, sinceMs, io);
        const judged = await judge(database, config, audit);
        print(io, flags.json ? (stringify(toJson(judged)) ?? '') : toText(judged));
        return judged.violated ? exitCodes.notGone : exitCodes.ok;
      });
    });
}

async function readAudit(
  database: Database,
  config: Config,
  batch: string | undefined,
  sinceMs: number,
  io: Io,
): Promise<Audit> {
  if (batch === undefined) return auditSince(database, config.sdkAppId, sinceMs);
  const { id } = await findBatch(database, config.sdkAppId, batch, '--batch', sayNewest(io));
  return auditBatch(database, config.sdkAppId, id);
}

interface JudgedHost extends SentToHost {
  violated: boolean;
  /** The requests of its fullest window. */
  window: SentRequest[];
}

interface Judged extends Audit {
  /** Most requests that may be in one window. */
  allowed: number;
  quota: number;
  violated: boolean;
  hosts: JudgedHost[];
}

async function judge(database: Database, config: Config, audit: Audit): Promise<Judged> {
  const quota = config.rateLimitPerSecond;
  // A quota below one a second still lets single requests through.
  const allowed = Math.max(1, Math.floor(quota));
  const hosts: JudgedHost[] = [];
  for (const host of audit.hosts) {
    hosts.push({
      ...host,
      violated: host.worst.requests > allowed,
      window: await requestsInWindow(database, config.sdkAppId, host.host, host.worst),
    });
  }
  return { ...audit, allowed, quota, hosts, violated: hosts.some((host) => host.violated) };
}

/** With microseconds: `2026-11-23T02:31:07.000123Z`. */
export function isoMicroseconds(us: number): string {
  const fraction = String(Math.round(us % 1_000_000)).padStart(6, '0');
  return `${new Date(Math.floor(us / 1_000_000) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

interface Retries {
  rooms: number;
  mean: number;
  max: number;
  distribution: { retries: number; rooms: number }[];
}

function retriesOf({ roomsByRetries }: Audit): Retries {
  const distribution = [...roomsByRetries]
    .map(([retries, roomCount]) => ({ retries, rooms: roomCount }))
    .sort((a, b) => a.retries - b.retries);
  const all = distribution.reduce((sum, each) => sum + each.rooms, 0);
  const sum = distribution.reduce((total, each) => total + each.retries * each.rooms, 0);
  return {
    rooms: all,
    mean: all === 0 ? 0 : sum / all,
    max: distribution.at(-1)?.retries ?? 0,
    distribution,
  };
}

const round = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;

function toJson(audit: Judged): unknown {
  const { hosts } = audit;
  const retries = retriesOf(audit);
  return {
    kept: !audit.violated,
    quotaPerSecond: audit.quota,
    from: hosts.length === 0 && audit.fromUs === 0 ? null : isoMicroseconds(audit.fromUs),
    to: hosts.length === 0 && audit.toUs === 0 ? null : isoMicroseconds(audit.toUs),
    requests: hosts.reduce((sum, host) => sum + host.requests, 0),
    worstWindow: Math.max(0, ...hosts.map((host) => host.worst.requests)),
    hosts: hosts.map((host) => ({
      host: host.host ?? null,
      kept: !host.violated,
      requests: host.requests,
      first: isoMicroseconds(host.firstUs),
      last: isoMicroseconds(host.lastUs),
      meanRatePerSecond:
        host.meanRatePerSecond === undefined ? null : round(host.meanRatePerSecond, 3),
      quotaUsed:
        host.meanRatePerSecond === undefined
          ? null
          : round(host.meanRatePerSecond / audit.quota, 4),
      worstWindow: {
        requests: host.worst.requests,
        from: isoMicroseconds(host.worst.fromUs),
        to: isoMicroseconds(host.worst.toUs),
        sent: host.window.map((request) => ({
          at: isoMicroseconds(request.atUs),
          destructionId: request.destructionId,
          attempt: request.attempt,
          workerId: request.workerId,
        })),
      },
    })),
    retries: { ...retries, mean: round(retries.mean, 4) },
    slots: { notSent: audit.notSent, neverEnded: audit.neverEnded },
  };
}

function toText(audit: Judged): string {
  if (audit.hosts.length === 0 && audit.neverEnded === 0) return 'nothing was sent in this time';
  const retries = retriesOf(audit);
  return [
    ...(audit.hosts.length === 0 ? ['no request in this time has a recorded end'] : []),
    ...audit.hosts.flatMap((host) => describeHost(host, audit)),
    `retries: ${round(retries.mean, 4)} a room on average, at most ${retries.max}`,
    ...retries.distribution
      .filter((each) => each.retries > 0 || retries.distribution.length === 1)
      .map((each) => `  ${rooms(each.rooms)} with ${count(each.retries)}`),
    `slots: ${count(audit.notSent)} of requests that never left, ${count(audit.neverEnded)} of requests without a recorded end`,
    audit.violated
      ? `VIOLATED: more than ${count(audit.allowed)} requests within 1,000 ms`
      : `kept: never more than ${count(audit.allowed)} requests within 1,000 ms`,
  ].join('\n');
}

function describeHost(host: JudgedHost, audit: Judged): string[] {
  const { worst, meanRatePerSecond } = host;
  const rate =
    meanRatePerSecond === undefined
      ? ''
      : `, ${meanRatePerSecond.toFixed(1)}/s on average, ${((100 * meanRatePerSecond) / audit.quota).toFixed(1)} % of the quota`;
  return [
    `${host.host ?? 'unknown endpoint'}: ${count(host.requests)} ${host.requests === 1 ? 'request' : 'requests'}${rate}`,
    `  first ${isoMicroseconds(host.firstUs)}, last ${isoMicroseconds(host.lastUs)}`,
    `  fullest 1,000 ms: ${count(worst.requests)} of ${count(audit.allowed)}, from ${isoMicroseconds(worst.fromUs)} to ${isoMicroseconds(worst.toUs)}`,
    ...(host.violated
      ? host.window.map(
          (request) =>
            `    ${isoMicroseconds(request.atUs)}  ${request.destructionId} attempt ${request.attempt}, worker ${request.workerId}`,
        )
      : []),
  ];
}
