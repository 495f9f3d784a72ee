import { expect, test } from 'vitest';
import type { ScriptedAnswer, ServerReport } from '../support/counting-server.js';
import { run } from './room-reaper.js';
import {
  lines,
  openStage,
  readAttempts,
  readDestructions,
  redisAndPostgres,
  roomIds,
  totalsInLedger,
} from './stage.js';

const code = (number: number, times = 1): ScriptedAnswer[] =>
  Array.from({ length: times }, () => ({ kind: 'code', code: number }));

/** What the server answers for a room at first, and what must come of it. */
interface Case {
  script: ScriptedAnswer[];
  outcome: string;
  source: 'response' | 'lost' | 'none' | null;
  requests: number;
  errorCode: number | null;
}

const destroyedAfter = (script: ScriptedAnswer[]): Case => ({
  script,
  outcome: 'destroyed',
  source: 'response',
  requests: script.length + 1,
  errorCode: 0,
});

/** Told "gone" after an answer that may have hidden what was done. */
const lostAfter = (script: ScriptedAnswer[]): Case => ({
  script,
  outcome: 'destroyed_statistics_lost',
  source: 'lost',
  requests: script.length + 1,
  errorCode: 100004,
});

const cases: Record<string, Case> = {
  'cut after acting, then gone': lostAfter([{ kind: 'cut', acts: true }]),
  'cut before acting': destroyedAfter([{ kind: 'cut' }]),
  'acted and never answered': lostAfter([{ kind: 'hang', acts: true }]),
  'never answered': destroyedAfter([{ kind: 'hang' }]),
  'acted with an unreadable answer': lostAfter([{ kind: 'garbage', acts: true }]),
  'unreadable answer': destroyedAfter([{ kind: 'garbage' }]),
  'acted behind a 502': lostAfter([{ kind: 'status', status: 502, acts: true }]),
  'a 502': destroyedAfter([{ kind: 'status', status: 502 }]),
  'acted and said 60008': lostAfter([{ kind: 'code', code: 60008, acts: true }]),
  'acted twice unclearly': lostAfter([{ kind: 'cut', acts: true }, { kind: 'cut' }]),
  'internal error twice': destroyedAfter(code(100001, 2)),
  'internal error five times': destroyedAfter(code(100001, 5)),
  'over quota once': destroyedAfter(code(60007)),
  'signature stale once': destroyedAfter(code(70001)),
  'gone from the start': {
    script: [{ kind: 'unknown' }],
    outcome: 'already_gone',
    source: 'none',
    requests: 1,
    errorCode: 100004,
  },
  'gone after an error that cannot have acted': {
    script: [...code(100001), { kind: 'unknown' }],
    outcome: 'already_gone',
    source: 'none',
    requests: 2,
    errorCode: 100004,
  },
  'success without statistics': {
    script: [{ kind: 'noresponse' }],
    outcome: 'destroyed_statistics_lost',
    source: 'lost',
    requests: 1,
    errorCode: 0,
  },
  'no permission': {
    script: code(100006),
    outcome: 'rejected',
    source: null,
    requests: 1,
    errorCode: 100006,
  },
};

const scripts = Object.fromEntries(
  Object.entries(cases).map(([room, { script }]) => [room, script]),
);

/** Gap between two requests for a room, in milliseconds. */
function gaps(report: ServerReport, room: string): number[] {
  const at = report.requests.filter(({ roomId }) => roomId === room).map(({ atMs }) => atMs);
  return at.slice(1).map((instant, index) => instant - (at[index] ?? NaN));
}

test('every fault ends in the outcome that its history says, and every request is in the ledger', async () => {
  const { server, env } = await openStage({ scripts });
  const stores = await redisAndPostgres();
  const plain = roomIds(60, 'plain');
  const rooms = [...plain.slice(30), ...Object.keys(cases), ...plain.slice(0, 30)];

  const ended = await run(['destroy', '-', '--json'], {
    // One is enough: every third failure alone goes back to the queue.
    env: { ...env, ...stores, LATER_RETRIES: '1', REQUEST_TIMEOUT_MS: '400', LOG_LEVEL: 'info' },
    stdin: lines(rooms),
  });

  expect(ended.code, ended.stderr).toBe(1);
  const report = await server.report();
  const destructions = await readDestructions(stores.DATABASE_URL);
  const attempts = await readAttempts(stores.DATABASE_URL);
  expect([...destructions.keys()].sort()).toEqual([...rooms].sort());

  const found = Object.fromEntries(
    Object.keys(cases).map((room) => {
      const row = destructions.get(room);
      return [
        room,
        {
          outcome: row?.outcome,
          source: row?.statistics_source,
          attempts: row?.attempts,
          requests: report.rooms[room]?.requests,
          errorCode: row?.error_code,
        },
      ];
    }),
  );
  expect(found).toEqual(
    Object.fromEntries(
      Object.entries(cases).map(([room, { outcome, source, requests, errorCode }]) => [
        room,
        { outcome, source, attempts: requests, requests, errorCode },
      ]),
    ),
  );
  for (const room of plain) {
    expect(destructions.get(room)).toMatchObject({ outcome: 'destroyed', attempts: 1 });
  }

  // Statistics are there exactly where the server told them, to the last digit.
  const nothing = {
    total_viewers: null,
    total_gifts_sent: null,
    total_gift_coins: null,
    total_unique_gift_senders: null,
    total_likes_received: null,
  };
  for (const [room, row] of destructions) {
    const truth = report.rooms[room];
    const told = row.statistics_source === 'response' && truth !== undefined;
    expect(row, room).toMatchObject(told ? totalsInLedger(truth) : nothing);
    expect(row.finished_at, room).not.toBeNull();
  }

  // The requests of the server and the rows of the ledger are the same, one to one.
  for (const room of rooms) {
    const arrived = report.requests.filter(({ roomId }) => roomId === room);
    const signed = room === 'signature stale once' ? 2 : arrived.length;
    expect(
      attempts.get(room)?.map(({ attempt, http_status, error_code, request_id }) => ({
        attempt,
        http_status,
        error_code,
        request_id,
      })),
      room,
    ).toEqual(
      arrived.map(({ httpStatus, errorCode, requestId }, index) => ({
        attempt: index + 1,
        http_status: httpStatus ?? null,
        error_code: errorCode ?? null,
        request_id: errorCode === undefined ? null : requestId,
      })),
    );
    expect(arrived).toHaveLength(signed);
    for (const row of attempts.get(room) ?? []) {
      expect(row.sent_at, room).not.toBeNull();
      expect(row.ended_at, room).not.toBeNull();
      expect(row.verdict, room).not.toBeNull();
    }
  }
  expect([...attempts.values()].flat()).toHaveLength(report.requests.length);
  expect(report.problems).toEqual([]);

  const json = JSON.parse(ended.stdout) as { outcomes: object; attempts: number };
  expect(json.attempts).toBe(report.requests.length);
  expect(json.outcomes).toEqual({
    destroyed: 60 + count('destroyed'),
    destroyed_statistics_lost: count('destroyed_statistics_lost'),
    already_gone: 2,
    recreated: 0,
    rejected: 1,
    failed: 0,
    expired: 0,
    cancelled: 0,
  });

  // Three quick attempts, then a pause of 2.5 to 5 s on the queue, then the rest.
  expect(gaps(report, 'internal error five times')[2]).toBeGreaterThan(2_400);

  // The quota answer slowed the line and said so; the stale signature was replaced, nobody noticed.
  expect(ended.stderr).toMatch(/"line braked"/);
  expect(ended.stderr).toMatch(/this command is over its frequency \(60007\)/);
  expect(ended.stderr).not.toMatch(/line stopped/);
  expect(report.signatures).toHaveLength(2);
});

function count(outcome: string): number {
  return Object.values(cases).filter((each) => each.outcome === outcome).length;
}

test('three quick attempts need no later retry; with all used up a room is failed; over quota and a stale signature use up none', async () => {
  const { server, env } = await openStage({
    scripts: {
      'always failing': code(100001, 100),
      'failing twice': code(100001, 2),
      'never answered': [{ kind: 'hang' }],
      'over quota in between': [...code(100001), ...code(60007), ...code(100001)],
      'stale in between': [...code(100001, 2), ...code(70001)],
    },
  });
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '-', '--json'], {
    env: { ...env, ...stores, LATER_RETRIES: '0', REQUEST_TIMEOUT_MS: '400' },
    stdin:
      'always failing\nfailing twice\nnever answered\nover quota in between\nstale in between\n',
  });

  expect(ended.code).toBe(1);
  const rows = await readDestructions(stores.DATABASE_URL);
  expect(rows.get('always failing')).toMatchObject({
    outcome: 'failed',
    error_code: 100001,
    attempts: 3,
    total_viewers: null,
    statistics_source: null,
  });
  expect(rows.get('failing twice')).toMatchObject({ outcome: 'destroyed', attempts: 3 });
  expect(rows.get('never answered')).toMatchObject({ outcome: 'destroyed', attempts: 2 });
  expect(rows.get('over quota in between')).toMatchObject({ outcome: 'destroyed', attempts: 4 });
  expect(rows.get('stale in between')).toMatchObject({ outcome: 'destroyed', attempts: 4 });
  expect((await server.report()).requests).toHaveLength(16);
});

test('a signature that stays stale stops the line instead of being renewed for ever', async () => {
  const { server, env } = await openStage({ scripts: { a: code(70001, 1_000) } });
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '--room', 'a'], { env: { ...env, ...stores } });

  expect(ended.code).toBe(3);
  expect(ended.stderr).toMatch(/UserSig expired.*70001/);
  expect((await server.report()).requests).toHaveLength(2);
});

test('a request that waits for its slot longer than a request may take keeps its connection, and is sent', async () => {
  const { server, env } = await openStage();
  const stores = await redisAndPostgres();

  const ended = await run(['destroy', '-'], {
    env: {
      ...env,
      ...stores,
      RATE_LIMIT_PER_SECOND: '5',
      WORKER_CONCURRENCY: '2',
      REQUEST_TIMEOUT_MS: '100',
    },
    stdin: lines(roomIds(10)),
  });

  expect(ended.code).toBe(0);
  const report = await server.report();
  expect(report.requests).toHaveLength(10);
  const unsent = [...(await readAttempts(stores.DATABASE_URL)).values()]
    .flat()
    .filter(({ sent_at }) => sent_at === null);
  expect(unsent).toEqual([]);
  expect(report.connections).toBeLessThanOrEqual(2);
});
