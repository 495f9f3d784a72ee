/** `room-reaper audit`: whether the quota was kept, from what the workers recorded. */
import { Command } from 'commander';
import { stringify } from 'lossless-json';
import { invalid } from '../errors.js';
import {
  audit,
  auditJson,
  isoMicroseconds,
  type AuditedHost,
  type AuditResult,
} from '../operations/audit.js';
import { findBatch } from '../operations/find-batch.js';
import { ledgerNowMs } from '../operations/service.js';
import { count, numbered, rounded, rooms } from '../text.js';
import { exitCodes, print, type Io } from './io.js';
import { sayNewest } from './say-newest.js';
import { show } from './screen.js';
import { readDuration } from '../when.js';
import { withOwnService } from './with-service.js';

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
    .option('--batch <BATCH>', 'the time of this batch, by id or name')
    .option('--since <TIME>', 'the last so long: 90s, 30m, 2h, 1d (default: 1h)')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: AuditFlags) => {
      if (flags.batch !== undefined && flags.since !== undefined) {
        throw invalid('--batch and --since must not both be given; keep one');
      }
      const sinceMs = readDuration('--since', flags.since ?? '1h');
      io.exitCode = await withOwnService(
        io,
        async (service) => {
          const result = await audit(
            service,
            flags.batch === undefined
              ? { fromMs: (await ledgerNowMs(service)) - sinceMs }
              : { batchId: (await findBatch(service, flags.batch, sayNewest(io))).id },
          );
          if (flags.json) print(io, stringify(auditJson(result)) ?? '');
          else show(io, toText(result));
          return result.violated ? exitCodes.notGone : exitCodes.ok;
        },
        { readOnly: true },
      );
    });
}

function toText(audit: AuditResult): string {
  if (audit.hosts.length === 0 && audit.neverEnded === 0) return 'nothing was sent in this time';
  const { retries } = audit;
  return [
    ...(audit.hosts.length === 0 ? ['no request in this time has a recorded end'] : []),
    ...audit.hosts.flatMap((host) => describeHost(host, audit)),
    `retries: ${rounded(retries.mean, 4)} a room on average, at most ${retries.max}`,
    ...retries.distribution
      .filter((each) => each.retries > 0 || retries.distribution.length === 1)
      .map((each) => `  ${rooms(each.rooms)} with ${count(each.retries)}`),
    `slots: ${count(audit.notSent)} of requests that never left, ${count(audit.neverEnded)} of requests without a recorded end`,
    audit.violated
      ? `VIOLATED: more than ${count(audit.allowed)} requests within 1,000 ms`
      : `kept: never more than ${count(audit.allowed)} requests within 1,000 ms`,
  ].join('\n');
}

function describeHost(host: AuditedHost, audit: AuditResult): string[] {
  const { worst, meanRatePerSecond } = host;
  const rate =
    meanRatePerSecond === undefined
      ? ''
      : `, ${meanRatePerSecond.toFixed(1)}/s on average, ${((100 * meanRatePerSecond) / audit.quota).toFixed(1)} % of the quota`;
  return [
    `${host.host ?? 'unknown endpoint'}: ${numbered(host.requests, 'request')}${rate}`,
    `  first ${isoMicroseconds(host.firstUs)}, last ${isoMicroseconds(host.lastUs)}`,
    `  fullest 1,000 ms: ${count(worst.requests)} of ${count(audit.allowed)}, from ${isoMicroseconds(worst.fromUs)} to ${isoMicroseconds(worst.toUs)}`,
    ...(host.overQuota === 0
      ? []
      : [
          `  the API refused ${count(host.overQuota)} as over quota: others may call it for this app (lower RATE_LIMIT_PER_SECOND), or requests are late by more than ARRIVAL_JITTER_MS`,
        ]),
    ...(host.violated
      ? host.window.map(
          (request) =>
            `    ${isoMicroseconds(request.atUs)}  ${request.destructionId} attempt ${request.attempt}, worker ${request.workerId}`,
        )
      : []),
  ];
}
