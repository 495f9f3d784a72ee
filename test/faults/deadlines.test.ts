/** A very late request could destroy a new room of the same name: past its deadline nothing is sent. */
import { beforeAll, expect, test } from 'vitest';
import { run, start } from '../e2e/room-reaper.js';
import {
  lines,
  openStage,
  readDestructions,
  redisAndPostgres,
  roomIds,
  type DestructionRow,
} from '../e2e/stage.js';
import type { ScriptedAnswer, ServerReport } from '../support/counting-server.js';
import { withPostgres } from '../support/servers.js';
import { sideBySide, until } from './scene.js';

const hours = (seconds: number) => String(seconds / 3_600);

interface Over {
  report: ServerReport;
  rows: Map<string, DestructionRow>;
  /** Attempts recorded as sent, and those of them sent after the deadline. */
  sent: number;
  sentTooLate: number;
}

/** Rooms with a deadline, and a worker that is there before them or comes after it. */
async function rooms(options: {
  names: string[];
  deadlineSeconds: number;
  ratePerSecond?: number;
  scripts?: Record<string, ScriptedAnswer[]>;
  workerFirst: boolean;
}): Promise<Over> {
  const { server, env } = await openStage(
    options.scripts === undefined ? {} : { scripts: options.scripts },
  );
  const stores = await redisAndPostgres();
  const withStores = {
    env: {
      ...env,
      ...stores,
      RATE_LIMIT_PER_SECOND: String(options.ratePerSecond ?? 200),
      DESTROY_DEADLINE_HOURS: hours(options.deadlineSeconds),
    },
  };
  const startWorker = async () => {
    const worker = start(['worker'], withStores);
    await worker.said(/worker started/);
    return worker;
  };
  const early = options.workerFirst ? await startWorker() : undefined;
  const put = await run(['enqueue', '-'], { ...withStores, stdin: lines(options.names) });
  expect(put.code, put.stderr).toBe(0);
  if (early === undefined) {
    await new Promise((resolve) => setTimeout(resolve, options.deadlineSeconds * 1_000));
  }
  const worker = early ?? (await startWorker());
  await until('every room has an end', 60_000, async () => {
    const rows = [...(await readDestructions(stores.DATABASE_URL)).values()];
    const ended = rows.filter(({ outcome }) => outcome !== null).length;
    return ended === options.names.length ? undefined : `${ended} have`;
  });
  worker.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);
  const sent = await withPostgres(stores.DATABASE_URL, (client) =>
    client.query<{ sent: string; late: string }>(
      `select count(a.sent_at) as sent, count(*) filter (where a.sent_at > d.not_after) as late
         from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id`,
    ),
  );
  return {
    report: await server.report(),
    rows: await readDestructions(stores.DATABASE_URL),
    sent: Number(sent.rows[0]?.sent),
    sentTooLate: Number(sent.rows[0]?.late),
  };
}

const scenarios = {
  'nobody took it up in time': () =>
    rooms({ names: roomIds(20), deadlineSeconds: 1, workerFirst: false }),
  'it waits for its slot': () =>
    rooms({ names: roomIds(30), deadlineSeconds: 8, ratePerSecond: 2, workerFirst: true }),
  'its retries come too late': () =>
    rooms({
      names: ['failing'],
      deadlineSeconds: 10,
      scripts: { failing: Array.from({ length: 50 }, () => ({ kind: 'code', code: 100001 })) },
      workerFirst: true,
    }),
} as const;

let over: (name: keyof typeof scenarios) => Over;

beforeAll(async () => {
  over = await sideBySide<keyof typeof scenarios, Over>(scenarios);
}, 120_000);

test('a room whose deadline passed before a worker took it up is expired, and nothing is sent', () => {
  const { report, rows } = over('nobody took it up in time');
  expect(report.requests).toEqual([]);
  expect([...rows.values()].map(({ outcome }) => outcome)).toEqual(
    roomIds(20).map(() => 'expired'),
  );
});

test('a room whose deadline passes while it waits for its slot is expired, and nothing is sent', () => {
  const { report, rows, sent, sentTooLate } = over('it waits for its slot');
  const outcomes = [...rows.values()].map(({ outcome }) => outcome);
  const expired = outcomes.filter((outcome) => outcome === 'expired').length;
  // Two a second for at most eight seconds: most of the thirty cannot have had a slot in time.
  expect(expired).toBeGreaterThanOrEqual(12);
  expect(expired).toBeLessThan(30);
  expect(report.requests).toHaveLength(30 - expired);
  expect({ sent, sentTooLate }).toEqual({ sent: 30 - expired, sentTooLate: 0 });
  // What was reserved and not sent left no attempt that could be taken for a lost request.
  for (const row of rows.values()) expect(row.attempts).toBe(row.outcome === 'expired' ? 0 : 1);
});

test('a room whose next retry would come after its deadline is expired, with the reason of its last attempt', () => {
  const { report, rows, sent, sentTooLate } = over('its retries come too late');
  expect(rows.get('failing')).toMatchObject({
    outcome: 'expired',
    error_code: 100001,
    error_info: 'said code 100001',
  });
  expect(report.requests.length).toBeGreaterThanOrEqual(3);
  expect({ sent, sentTooLate }).toEqual({ sent: report.requests.length, sentTooLate: 0 });
});
