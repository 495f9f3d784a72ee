/**
 * The documents are held to the code: variables, commands, flags, paths, words, and the
 * SQL of docs/operations.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { parseEnv } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../src/cli/io.js';
import { runProgram } from '../src/cli/program.js';
import { variableTable } from '../src/config.js';
import { outcomes } from '../src/destruction.js';
import { errorCodes } from '../src/errors.js';
import { httpCodes } from '../src/server/problem.js';
import { allRoutes } from '../src/server/routes.js';
import { clusterRights, queueRights } from '../src/store-trouble.js';
import type { Answer } from '../src/tencent/answer.js';
import { documentedCodes, judge, type VerdictWord } from '../src/tencent/verdicts.js';

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

const readme = read('README.md');
const operations = read('docs/operations.md');
const architecture = read('docs/architecture.md');
const api = read('docs/api.md');
const example = read('.env.example');
const documents = {
  'README.md': readme,
  'docs/operations.md': operations,
  'docs/architecture.md': architecture,
  'docs/production.md': read('docs/production.md'),
  'docs/api.md': api,
  'docs/webhook.md': read('docs/webhook.md'),
};
const named = Object.entries(documents).map(([name, content]) => ({ name, content }));

/** Fenced blocks, and what stands between single backticks outside of them. */
function codeIn(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```\w*\n(.*?)^```/gms)].map(([, code = '']) => code);
  const prose = markdown.replace(/^```\w*\n.*?^```/gms, '');
  return [...blocks, ...[...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)];
}

function section(markdown: string, title: string): string {
  const [, body = ''] = markdown.split(`\n## ${title}\n`);
  return body.split('\n## ')[0] ?? '';
}

test('the table of error codes in docs/operations.md is the registry of the program', () => {
  const rows = Object.entries(errorCodes).map(
    ([code, { exitCode, httpStatus, meaning }]) =>
      `| \`${code}\` | ${exitCode} | ${httpStatus} | ${meaning} |`,
  );
  const [, body = ''] = operations.split('### Error codes');
  const [table = ''] = body.split('\n### ');
  expect(table.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});

test('the ACL of docs/production.md is the one that an error tells', () => {
  const acl = section(documents['docs/production.md'], 'A Redis ACL');
  expect(acl).toContain(`user reaper on >PASSWORD ~bull:* ${queueRights}\n`);
  expect(acl).toContain(`\`~{bull}:*\`, and \`${clusterRights}\` besides`);
});

test('the table of codes in docs/api.md is what the server answers with before an operation is asked', () => {
  const rows = Object.entries(httpCodes).map(
    ([code, { httpStatus, meaning }]) => `| \`${code}\` | ${httpStatus} | ${meaning} |`,
  );
  expect(section(api, 'Problems').match(/^\| `.*$/gm)).toEqual(rows);
});

test('the table of routes in docs/api.md is that of the server', () => {
  const rows = section(api, 'Routes').matchAll(/^\| `([A-Z]+) ([^`?]*)[^|]*\| ([a-z ]+) \|/gm);
  const told = [...rows].map(([, method, path, role]) => `${method} ${path} ${role}`);
  const ofApi = allRoutes({ version: '', basePath: '', cookieName: 'c' }).filter(
    ({ isPage }) => isPage !== true,
  );
  const routes = ofApi.map(({ method, path, role }) => `${method.toUpperCase()} ${path} ${role}`);
  expect(told.sort()).toEqual(routes.sort());
});

describe('configuration', () => {
  const rows = variableTable.map(({ name, meaning, fallback }) => {
    return `| \`${name}\` | ${meaning} | ${fallback === undefined ? '–' : `\`${fallback}\``} |`;
  });

  test('the table of docs/operations.md is the table of the schema', () => {
    const table = section(operations, 'Configuration')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(table).toEqual(rows);
  });

  test('.env.example has every variable, with its default commented out', () => {
    const assignments = example.split('\n').filter((line) => /^(# )?[A-Z_]+=/.test(line));
    const values = parseEnv(assignments.map((line) => line.replace(/^# /, '')).join('\n'));
    expect(values).toEqual(
      Object.fromEntries(variableTable.map(({ name, fallback = '' }) => [name, fallback])),
    );
    for (const line of assignments.filter((each) => !each.startsWith('#')))
      expect(line, 'a line in force must be empty, to be filled in').toMatch(/=$/);
  });

  test.each(named)('$name names no variable that does not exist', ({ content }) => {
    const known: string[] = variableTable.map(({ name }) => name);
    const others = [
      ...['NODE_OPTIONS', 'NO_COLOR', 'NODE_TLS_REJECT_UNAUTHORIZED'],
      // Of docker-compose.yml and the Dockerfile.
      ...['POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'POSTGRES_IMAGE', 'REDIS_IMAGE', 'NODE_IMAGE'],
      ...['HTTPS_PROXY', 'NO_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NODE_EXTRA_CA_CERTS'],
      // Of the tests: "Trying the faults".
      ...['FAULTS_LONG', 'FAULTS_SEED', 'SOAK_ROOMS'],
      // Of psql.
      'ON_ERROR_STOP',
    ];
    for (const [name] of content.matchAll(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g))
      expect([...known, ...others, ...Object.keys({ ...errorCodes, ...httpCodes })]).toContain(
        name,
      );
  });
});

describe('command line', () => {
  const helps = new Map<string, string>();

  beforeAll(async () => {
    const overview = await helpOf([]);
    const commands = section(overview.replace('\nCommands:\n', '\n## Commands\n'), 'Commands');
    for (const [, name = ''] of commands.split('\n\n')[0]?.matchAll(/^ {2}([a-z]+)/gm) ?? [])
      if (name !== 'help') helps.set(name, await helpOf([name]));
  });

  async function helpOf(command: string[]): Promise<string> {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const io = { stdin, stdout, stderr, env: {}, signals: process, exitCode: exitCodes.ok };
    await runProgram([...command, '--help'], io, () => ({}));
    stdout.end();
    return text(stdout);
  }

  /** `room-reaper COMMAND …` in code, with the rest of its line. */
  function invocations(markdown: string): { command: string; rest: string }[] {
    return codeIn(markdown).flatMap((code) =>
      [...code.matchAll(/\broom-reaper ([a-z]+)\b([^\n#|]*)/g)].map(
        ([, command = '', rest = '']) => ({ command, rest }),
      ),
    );
  }

  test.each(named)('$name names only commands and flags that exist', ({ content }) => {
    for (const { command, rest } of invocations(content)) {
      expect([...helps.keys()]).toContain(command);
      for (const [flag] of rest.matchAll(/--[a-z-]+/g)) expect(helps.get(command)).toContain(flag);
    }
  });

  test('docs/operations.md names every command', () => {
    const commands = invocations(section(operations, 'Commands')).map(({ command }) => command);
    expect(helps.size).toBeGreaterThan(0);
    expect(new Set(commands)).toEqual(new Set(helps.keys()));
  });

  test.each(['README.md', 'docs/operations.md'] as const)('%s has every exit code', (name) => {
    const rows = [...documents[name].matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code));
    expect(rows).toEqual(Object.values(exitCodes));
  });
});

describe('paths', () => {
  test('every path named in docs/architecture.md exists', () => {
    const paths = codeIn(architecture).flatMap(
      (code) => code.match(/^(?:src|test|docs|deploy|examples|scripts|bench)\/[\w./-]*$/) ?? [],
    );
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)))).toEqual([]);
  });

  test.each(named)('every link of $name leads somewhere', ({ name, content }) => {
    const targets = [...content.matchAll(/\]\((?!https:)([^)]+)\)/g)].map(([, to = '']) => to);
    for (const target of targets) {
      const [path = '', anchor] = target.split('#');
      const file = new URL(path, new URL(`../${name}`, import.meta.url));
      expect(existsSync(file), target).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)];
      const anchors = headings.map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'));
      expect(anchors).toContain(anchor);
    }
  });
});

describe('words', () => {
  const verdicts: Record<VerdictWord, true> = {
    destroyed: true,
    gone: true,
    transient: true,
    over_quota: true,
    stale_signature: true,
    stop_line: true,
    rejected: true,
  };

  function firstCells(markdown: string): string[] {
    return [...markdown.matchAll(/^\| `(\w+)` \|/gm)].map(([, word = '']) => word);
  }

  test('the tables of docs/architecture.md hold exactly the verdicts and the outcomes', () => {
    expect(firstCells(section(architecture, 'Verdicts'))).toEqual(Object.keys(verdicts));
    expect(firstCells(section(architecture, 'Outcomes and history'))).toEqual(outcomes);
  });

  test('docs/operations.md holds exactly the outcomes, and every verdict', () => {
    expect(firstCells(section(operations, 'Rooms that are not gone'))).toEqual(outcomes);
    for (const word of Object.keys(verdicts)) expect(operations).toContain(`\`${word}\``);
  });

  test('docs/operations.md has a remedy for every code that stops the line, and for no other', () => {
    const stopping = documentedCodes.filter((errorCode) => {
      const answer: Answer = {
        kind: 'reply',
        httpStatus: 200,
        errorCode,
        errorInfo: '',
        requestId: undefined,
        statistics: undefined,
      };
      return ['stop_line', 'stale_signature'].includes(judge(answer).word);
    });
    const rows = section(operations, 'The line is stopped').matchAll(/^\|[^|]*\|([\d, ]+)\|/gm);
    const codes = [...rows].flatMap(([, cell = '']) => cell.split(',').map(Number));
    expect(codes.sort()).toEqual([...stopping].sort());
  });
});
