/**
 * Why a queue did not take something, in the words of somebody who can mend it. Pure.
 *
 * What drivers say then ("Stream isn't writeable and enableOfflineQueue options is
 * false") is about themselves.
 */
import { printable } from '../redact.js';
import { describeStoreTrouble, isRefusedByAcl } from '../store-trouble.js';

const full = /^OOM /;

const reasons: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /Stream isn't writeable|Cluster isn't ready|refresh slots cache|startup nodes|Cluster redirections|sentinels are unreachable|Connection is closed|max retries per request|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|terminated/i,
    'it cannot be reached; start it, or wait until it is back',
  ],
  [/Command timed out|Socket timeout|Query read timeout|timeout exceeded/i, 'it does not answer'],
  [full, 'Redis is full (OOM); raise its maxmemory, or let workers empty it'],
  [/^CLUSTERDOWN/, 'a part of the cluster is down; start its nodes, or wait until it is back'],
  [/^READONLY /, 'Redis is read-only: a replica, or a failover that is under way'],
  [/^LOADING /, 'Redis is loading its data; wait until it has'],
  [/^NOREPLICAS /, 'Redis has fewer replicas than it must write to (min-replicas-to-write)'],
  [/^MISCONF /, 'Redis cannot write to its disk (MISCONF); look at its log'],
];

/** @param error - as {@link refusalReason} has it. @returns whether Redis has reached its `maxmemory`. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && full.test(error.message);
}

/** @param error - what BullMQ or its driver threw. */
export function refusalReason(error: unknown): string {
  if (isRefusedByAcl(error)) return describeStoreTrouble(error, undefined, 'Redis', 'QUEUE_URL');
  const { code, message } = error as { code?: unknown; message?: unknown };
  const texts = [code, message].filter((text) => typeof text === 'string');
  for (const [pattern, reason] of reasons) {
    if (texts.some((text) => pattern.test(text))) return reason;
  }
  return printable(texts.at(-1) ?? 'unknown error');
}
