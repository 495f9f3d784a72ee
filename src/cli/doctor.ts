/** `room-reaper doctor`: what is wrong, and what to do about it. */
import { Command } from 'commander';
import { inspectConfig } from '../config.js';
import {
  checks,
  countOf,
  examine,
  findingsJson,
  inOrder,
  type Findings,
} from '../doctor/examine.js';
import { numbered } from '../text.js';
import { exitCodes, print, type Io } from './io.js';
import { show } from './screen.js';

const help = `
Examples:
  room-reaper doctor
  room-reaper doctor --json

Checks the configuration, the queue, the ledger, the clocks, the endpoint with its
certificate, the signature (with a call that reads and changes no room) and the line.
It changes nothing, and each check has a time limit.

Exit codes: 0 nothing is wrong, though there may be warnings; 1 something is wrong.`;

export function doctorCommand(io: Io): Command {
  return new Command('doctor')
    .option('--json', 'print one JSON object on stdout')
    .addHelpText('after', help)
    .action(async (flags: { json?: boolean }) => {
      const inspected = inspectConfig(io.env, { app: true, credentials: true });
      const findings = await examine(inspected, Date.now);
      if (flags.json) print(io, JSON.stringify(findingsJson(findings)));
      else show(io, toText(findings));
      if (countOf(findings, 'problem') > 0) io.exitCode = exitCodes.notGone;
    });
}

function toText(findings: Findings): string {
  const width = Math.max(...checks.map((check) => check.length));
  const lines = inOrder(findings).map(({ check, level, text, remedy }) => {
    const next = remedy === undefined ? '' : `; what to do: ${remedy}`;
    return `${level.padEnd('problem'.length)}  ${check.padEnd(width)}  ${text}${next}`;
  });
  const problems = countOf(findings, 'problem');
  const warnings = countOf(findings, 'warning');
  lines.push('', `${found(problems, 'problem')}, ${found(warnings, 'warning')}`);
  return lines.join('\n');
}

function found(count: number, what: string): string {
  return count === 0 ? `no ${what}s` : numbered(count, what);
}
