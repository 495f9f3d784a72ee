/** Whether the quota was kept, from what the workers recorded. */
import { auditBatch, auditSince, type Audit } from '../ledger/audit.js';
import { requestsInWindow, type SentRequest, type SentToHost } from '../ledger/sent.js';
import { isoTime, rounded } from '../text.js';
import type { Service } from './service.js';

/** The time from the first request of a batch to its last, or from an instant until another, or now. */
type AuditedTime = { batchId: string } | { fromMs: number; toMs?: number | undefined };

export interface AuditedHost extends SentToHost {
  violated: boolean;
  window: SentRequest[];
}

export interface AuditResult extends Audit {
  /** Most requests that may be in one window. */
  allowed: number;
  quota: number;
  violated: boolean;
  retries: Retries;
  hosts: AuditedHost[];
}

export async function audit(service: Service, time: AuditedTime): Promise<AuditResult> {
  const { database, config } = service;
  const { sdkAppId, rateLimitPerSecond: quota } = config;
  const found =
    'batchId' in time
      ? await auditBatch(database, sdkAppId, time.batchId)
      : await auditSince(database, sdkAppId, toUs(time.fromMs), time.toMs && toUs(time.toMs));
  // A quota below one a second still lets single requests through.
  const allowed = Math.max(1, Math.floor(quota));
  const hosts: AuditedHost[] = [];
  for (const host of found.hosts) {
    hosts.push({
      ...host,
      violated: host.worst.requests > allowed,
      window: await requestsInWindow(database, sdkAppId, host.host, host.worst),
    });
  }
  const violated = hosts.some((host) => host.violated);
  return { ...found, allowed, quota, violated, retries: retriesOf(found), hosts };
}

const toUs = (ms: number) => Math.round(ms * 1_000);

/** With microseconds: `2026-11-23T02:31:07.000123Z`. */
export function isoMicroseconds(us: number): string {
  const fraction = String(Math.round(us % 1_000_000)).padStart(6, '0');
  // A forged job of earlier versions could leave a time that no calendar has.
  if (isoTime(us / 1000) === undefined) return 'no time that a calendar has';
  return `${new Date(Math.floor(us / 1_000_000) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

export interface Retries {
  rooms: number;
  mean: number;
  max: number;
  distribution: { retries: number; rooms: number }[];
}

function retriesOf({ roomsByRetries }: Audit): Retries {
  const distribution = [...roomsByRetries]
    .map(([retries, rooms]) => ({ retries, rooms }))
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

/** The shape is a contract. */
export function auditJson(audit: AuditResult): object {
  const { hosts, retries } = audit;
  return {
    kept: !audit.violated,
    quotaPerSecond: audit.quota,
    from: hosts.length === 0 && audit.fromUs === 0 ? null : isoMicroseconds(audit.fromUs),
    to: hosts.length === 0 && audit.toUs === 0 ? null : isoMicroseconds(audit.toUs),
    requests: hosts.reduce((sum, host) => sum + host.requests, 0),
    worstWindow: Math.max(0, ...hosts.map((host) => host.worst.requests)),
    hosts: hosts.map(({ meanRatePerSecond: rate, ...host }) => ({
      host: host.host ?? null,
      kept: !host.violated,
      requests: host.requests,
      overQuota: host.overQuota,
      first: isoMicroseconds(host.firstUs),
      last: isoMicroseconds(host.lastUs),
      meanRatePerSecond: rate === undefined ? null : rounded(rate, 3),
      quotaUsed: rate === undefined ? null : rounded(rate / audit.quota, 4),
      worstWindow: {
        requests: host.worst.requests,
        from: isoMicroseconds(host.worst.fromUs),
        to: isoMicroseconds(host.worst.toUs),
        sent: host.window.map(({ atUs, ...request }) => ({
          at: isoMicroseconds(atUs),
          ...request,
        })),
      },
    })),
    retries: { ...retries, mean: rounded(retries.mean, 4) },
    slots: { notSent: audit.notSent, neverEnded: audit.neverEnded },
  };
}
