/**
 * Each command as its users run it, from the built program: its exit code, all of its stdout, and
 * that it ends because nothing is left open, not because it is made to. All else that a command
 * does is tested inside the tests' own process.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { latestMigration } from '../../src/ledger/schema.js';
import { afterThisFile } from '../support/clean-up.js';
import { startCountingServer } from '../support/counting-server.js';
import { createDatabase, freshRedis, freshSdkAppId } from '../support/servers.js';
import { run, start } from './room-reaper.js';

const secretKey = 'a key of the tests';
let env: Record<string, string>;

/** They share an app and its stores; none changes what another one shows. */
beforeAll(async () => {
  const sdkAppId = freshSdkAppId();
  const scripts = { refused: [{ kind: 'code', code: 100006 } as const] };
  const app = { sdkAppId, secretKey, adminIdentifier: 'administrator' };
  const server = await startCountingServer({ ...app, scripts });
  const [redis, database] = await Promise.all([freshRedis(), createDatabase()]);
  afterThisFile(() => Promise.all([server.close(), redis.drop(), database.drop()]).then());
  env = {
    TENCENT_SDK_APP_ID: String(sdkAppId),
    TENCENT_SECRET_KEY: secretKey,
    TENCENT_ENDPOINT: server.url,
    QUEUE_URL: redis.url,
    DATABASE_URL: database.url,
  };
  await run(['destroy', '-', '--batch', 'evening'], { env, stdin: 'gone\nrefused\n' });
  await run(['enqueue', '-', '--batch', 'later', '--delay', '1h'], { env, stdin: 'x\ny\n' });
});

/** For NODE_OPTIONS. */
const preloaded = (module: string) => `--import=data:text/javascript,${encodeURIComponent(module)}`;

const nothingLeft = 'nothing is left open';

/** Node itself says that it found nothing more to wait for; `process.exit` goes without. */
const saysNothingLeft = preloaded(
  `import { writeSync } from 'node:fs';
   process.on('beforeExit', () => writeSync(2, '${nothingLeft}'));`,
);

/** Between what one command and the next one say. */
const end = /<end, exit code (\d+)>\n/;

/**
 * When nothing is left open of a command the same process begins the next one: starting Node and
 * loading its packages takes longer than most of them.
 */
const runsOn = (next: readonly (readonly string[])[]) =>
  preloaded(
    `import { writeSync } from 'node:fs';
     import { pathToFileURL } from 'node:url';
     const [node, main] = process.argv;
     const next = ${JSON.stringify(next)};
     const exit = process.exit.bind(process);
     // A command that has ended makes sure of it a second later.
     process.exit = () => undefined;
     process.stdout.setMaxListeners(0);
     process.stderr.setMaxListeners(0);
     setTimeout(() => {
       writeSync(2, 'left open: ' + process.getActiveResourcesInfo().join());
       exit(9);
     }, 100_000).unref();
     process.on('beforeExit', (code) => {
       for (const stream of [1, 2]) writeSync(stream, '<end, exit code ' + code + '>\\n');
       const args = next.shift();
       if (args === undefined) return;
       process.argv = [node, main, ...args];
       process.exitCode = 0;
       void import(pathToFileURL(main).href + '?' + next.length);
     });`,
  );

/** What is another one at each run: ids, times, numbers that are measured, the two servers. */
function settled(stdout: string): string {
  return stdout
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
    .replace(/SHA-256 [0-9a-f]{64}/g, 'SHA-256 DIGEST')
    .replace(/\d{4}-\d\d-\d\d[T ]/g, '')
    .replace(/\d\d:\d\d:\d\d(\.\d+)?(Z| UTC\S*\b)?/g, 'TIME')
    .replace(/RequestId \S+/g, 'RequestId REQUEST')
    .replace(/^\{"problems":0,.*\}\n$/, 'FINDINGS')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST')
    .replace(/^app \d+/gm, 'app APP')
    .replace(/\d+(\.\d+)? s\b/g, 'N s')
    .replace(/ by [^\s;]+(?=;|$)/gm, ' by SOMEBODY')
    .replace(/worker \S+:\d+/g, 'worker WORKER')
    .replace(/\d+(\.\d+)?\/s on average/g, 'N/s on average')
    .replace(/\d+(\.\d+)? % of the quota/g, 'N % of the quota')
    .replace(/at most \d+ in any second/g, 'at most N in any second')
    .replace(/1,000 ms: \d+ of/g, '1,000 ms: N of');
}

const sums = (
  of: readonly [viewers: string, sent: string, coins: string, senders: string, likes: string],
) =>
  `Statistics of the rooms destroyed
  viewers       ${of[0].padStart(7)}
  gifts sent    ${of[1].padStart(7)}
  gift coins    ${of[2].padStart(7)}
  gift senders  ${of[3].padStart(7)}
  likes         ${of[4].padStart(7)}
`;

const cases: [command: string, args: string[], code: number, stdout: string][] = [
  ['--version', ['--version'], 0, '0.1.0\n'],
  [
    'status',
    ['status', '--batch', 'evening'],
    0,
    `app APP at HOST
HOST: running, 196.1 requests/s allowed
0 rooms waiting, 0 in hand, 2 delayed, 1 kept in BullMQ's failed set

batch evening ID
  asked for TIME by SOMEBODY
  2 of 2 rooms, finished TIME
  1 destroyed, 1 rejected
`,
  ],
  [
    'explain',
    ['explain', 'refused'],
    0,
    `refused: not destroyed: the API refused it for good at TIME: no permission, or not a live room (100006)

destruction ID: rejected
  asked for TIME, deadline TIME, batch evening ID
  in BullMQ's failed set: rejected: no permission, or not a live room (100006)
  attempt 1: slot TIME, sent TIME, ended TIME, worker WORKER, HTTP 200, code 100006, rejected: no permission, or not a live room, RequestId REQUEST
  ErrorInfo: said code 100006

line of HOST: running, 196.1 requests/s, last slot TIME
`,
  ],
  [
    'doctor',
    ['doctor', '--json'],
    0,
    // What it finds is measured; that it is whole is told by its end.
    'FINDINGS',
  ],
  [
    'batches',
    ['batches', '--limit', '2'],
    0,
    `batch later ID
  asked for TIME by SOMEBODY
  2 rooms: 0 gone, 2 open
batch evening ID
  asked for TIME by SOMEBODY
  2 rooms: 1 gone, 1 not gone, finished TIME
`,
  ],
  [
    'report',
    ['report', 'evening', '--summary'],
    1,
    `app APP at HOST
batch evening ID
asked for TIME by SOMEBODY; finished TIME, after N s
2 rooms asked for, 2 ended; 2 requests, at most N in any second, N/s on average

  destroyed, statistics saved  1
  rejected                     1

Not gone
  rejected 100006: said code 100006 (1 room, such as refused)
    no permission, or not a live room; the API will refuse it again: check the RoomId and that it is a live room of this app

${sums(['2,846', '944,708', '642,296', '366,503', '331,786'])}
Most viewers
  gone  2,846

Most gift coins
  gone  642,296

SHA-256 DIGEST
`,
  ],
  [
    'audit',
    ['audit', '--batch', 'evening'],
    0,
    `HOST: 2 requests, N/s on average, N % of the quota
  first TIME, last TIME
  fullest 1,000 ms: N of 200, from TIME to TIME
retries: 0 a room on average, at most 0
  2 rooms with 0
slots: 0 of requests that never left, 0 of requests without a recorded end
kept: never more than 200 requests within 1,000 ms
`,
  ],
  [
    'prune',
    ['prune', '--older-than', '90d', '--yes'],
    0,
    'nothing ended before TIME, or all of it belongs to batches that stay\n',
  ],
  [
    'destroy',
    ['destroy', '--room', 'a', '--batch', 'one'],
    0,
    `1 room in N s: 1 request, at most N in any second

  destroyed, statistics saved  1

${sums(['926,610', '815,690', '30,707', '41,421', '638,328'])}
batch ID (one)
`,
  ],
  [
    'enqueue',
    ['enqueue', '--room', 'b', '--batch', 'two'],
    0,
    '1 room on the queue\nbatch two ID\n',
  ],
  [
    'replay',
    ['replay', '--batch', 'evening', '--force', '--name', 'again'],
    0,
    '1 room on the queue\nbatch again ID\n',
  ],
  [
    'cancel',
    ['cancel', 'later'],
    0,
    `2 rooms cancelled before they were sent, in N s

batch later ID
  2 of 2 rooms: 2 cancelled
`,
  ],
  [
    'pause',
    ['pause', '--by', 'ana', '--note', 'maintenance of X'],
    0,
    'paused since TIME by ana: maintenance of X\nwhat is in hand is finished, the rest waits; run `room-reaper resume` to go on\n',
  ],
  ['resume', ['resume'], 0, 'it was paused since TIME by ana: maintenance of X\nthe line runs\n'],
  ['migrate', ['migrate'], 0, `the ledger is at version ${latestMigration()} already\n`],
];

describe('a command', () => {
  let said: Record<'stdout' | 'stderr', string[]>;
  beforeAll(async () => {
    const [first = [], ...next] = cases.map(([, args]) => args);
    const { stdout, stderr } = await run(first, { env: { ...env, NODE_OPTIONS: runsOn(next) } });
    said = { stdout: stdout.split(end), stderr: stderr.split(end) };
  });

  test.each(cases.map(([name, , ...expected], index) => [name, index, ...expected] as const))(
    '%s says all that it has to say and leaves nothing open',
    (_, index, code, stdout) => {
      const [text = '', ended] = said.stdout.slice(2 * index);
      expect(
        { code: ended, stdout: settled(text) },
        said.stderr.slice(2 * index).join('\n'),
      ).toEqual({ code: String(code), stdout });
    },
  );
});

test.each([
  ['worker', ['worker'], /worker started/],
  ['simulator', ['simulator'], /simulator listens/],
])(
  '%s as a process ends at SIGTERM with exit code 0 and leaves nothing open',
  async (_, args, ready) => {
    const running = start(args, { env: { ...env, NODE_OPTIONS: saysNothingLeft } });
    await running.said(ready);

    running.kill('SIGTERM');

    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(nothingLeft);
  },
);

test.runIf(process.platform === 'linux').each([
  ['what was done', ['destroy', '--room', 'a', '--dry-run'], 2],
  ['help', ['--help'], 2],
  ['a report', ['report', 'evening'], 2],
])('a full disk behind stdout is said, and the exit code is not 0: %s', (_, args, code) => {
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const ended = spawnSync('sh', ['-c', '"$@" > /dev/full', 'sh', process.execPath, main, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env },
  });
  expect(ended.stderr).toContain('room-reaper: standard output cannot be written (ENOSPC)\n');
  expect(ended.stderr).not.toMatch(/bug|^\s+at /m);
  expect(ended.status).toBe(code);
});
