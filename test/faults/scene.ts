/**
 * What a fault run plays on: rooms on a queue, workers at it, and the question that all
 * fault runs end with: does the ledger say of every room what the server says?
 */
import { expect } from 'vitest';
import { readDepth } from '../../src/queue/depth.js';
import { openQueue, type OpenQueue } from '../../src/queue/open.js';
import { run, start, type Process } from '../e2e/room-reaper.js';
import { lines, openStage, roomIds, totalsInLedger, type DestructionRow } from '../e2e/stage.js';
import type { CountingServer, ScriptedAnswer, ServerReport } from '../support/counting-server.js';
import { sentSlots } from '../support/quota-kept.js';
import { withPostgres } from '../support/servers.js';

/** Longer forms of the fault runs: `FAULTS_LONG=1 npm run test:faults` (docs/operations.md). */
export const long = process.env['FAULTS_LONG'] === '1';

export interface SceneOptions {
  queueUrl: string;
  databaseUrl: string;
  rooms: number;
  /** How many of them are at work from the start; default 2. */
  workers?: number;
  latencyMs?: number;
  scripts?: Record<string, ScriptedAnswer[]>;
  /** Default: the API's own, 200. */
  ratePerSecond?: number;
  /** More variables of the workers. */
  env?: Record<string, string>;
  /** How the rooms are asked for, such as `--snapshot`. */
  flags?: readonly string[];
}

export interface AttemptRow {
  destruction_id: string;
  room_id: string;
  attempt: number;
  worker_id: string;
  slot_ms: number;
  ended_ms: number | null;
  verdict: string | null;
}

export class Scene {
  readonly rooms: string[];
  readonly workers: Process[] = [];

  readonly options: SceneOptions;
  readonly server: CountingServer;
  readonly env: Record<string, string>;

  private constructor(options: SceneOptions, server: CountingServer, env: Record<string, string>) {
    this.options = options;
    this.server = server;
    this.env = env;
    this.rooms = roomIds(options.rooms);
  }

  /** Puts the rooms on the queue and starts the workers. */
  static async open(options: SceneOptions): Promise<Scene> {
    const { latencyMs, scripts, ratePerSecond = 200 } = options;
    const { server, env } = await openStage({
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(scripts === undefined ? {} : { scripts }),
    });
    const scene = new Scene(options, server, {
      ...env,
      QUEUE_URL: options.queueUrl,
      DATABASE_URL: options.databaseUrl,
      RATE_LIMIT_PER_SECOND: String(ratePerSecond),
      ...options.env,
    });
    const put = await run(['enqueue', '-', '--yes', ...(options.flags ?? [])], {
      env: scene.env,
      stdin: lines(scene.rooms),
    });
    expect(put.code, put.stderr).toBe(0);
    for (let worker = 0; worker < (options.workers ?? 2); worker++) scene.startWorker();
    return scene;
  }

  startWorker(env: Record<string, string> = {}): Process {
    const worker = start(['worker'], { env: { ...this.env, ...env } });
    this.workers.push(worker);
    return worker;
  }

  get quota(): number {
    return this.options.ratePerSecond ?? 200;
  }

  /** Waits until the ledger knows an end of every room. */
  async roomsEnded(timeoutMs = 60_000): Promise<void> {
    await until('every room has an end', timeoutMs, async () => {
      const open = await this.openRooms();
      return open === 0 ? undefined : `${open} rooms are open`;
    });
  }

  private async openRooms(): Promise<number> {
    const { rows } = await withPostgres(this.options.databaseUrl, (client) =>
      client.query<{ ended: string }>(
        'select count(*) as ended from room_reaper.destructions where outcome is not null',
      ),
    );
    return this.rooms.length - Number(rows[0]?.ended);
  }

  /** Waits until no job is left anywhere on the queue. */
  async queueEmpty(timeoutMs = 40_000): Promise<void> {
    const opened = await this.openQueue();
    try {
      await until('the queue is empty', timeoutMs, async () => {
        const { waiting, active, delayed, failed } = await readDepth(opened.queue);
        return waiting + active + delayed + failed === 0
          ? undefined
          : `${waiting} waiting, ${active} active, ${delayed} delayed, ${failed} failed`;
      });
    } finally {
      await opened.close();
    }
  }

  /** The queue as the program opens it. Close it. */
  openQueue(): Promise<OpenQueue> {
    const { queueUrl } = this.options;
    return openQueue({
      sdkAppId: Number(this.env['TENCENT_SDK_APP_ID']),
      connection: { kind: 'redis', url: queueUrl },
      onError: () => undefined,
    });
  }

  /** Tells the workers that are left to stop. @returns what they said, in the order of their start. */
  async stopWorkers(): Promise<string[]> {
    for (const worker of this.workers) worker.kill('SIGTERM');
    const ended = await Promise.all(this.workers.map((worker) => worker.ended));
    for (const { code, signal, stderr } of ended) {
      if (signal === null) expect(code, stderr).toBe(0);
    }
    return ended.map(({ stderr }) => stderr);
  }

  async destructions(): Promise<DestructionRow[]> {
    const { rows } = await withPostgres(this.options.databaseUrl, (client) =>
      client.query<DestructionRow>('select * from room_reaper.destructions order by room_id'),
    );
    return rows;
  }

  /** In the order of their rooms and numbers. */
  async attempts(): Promise<AttemptRow[]> {
    const { rows } = await withPostgres(this.options.databaseUrl, (client) =>
      client.query<AttemptRow>(
        `select a.destruction_id, d.room_id, a.attempt, a.worker_id, a.verdict,
                extract(epoch from a.slot_at)::float8 * 1000 as slot_ms,
                extract(epoch from a.ended_at)::float8 * 1000 as ended_ms
           from room_reaper.attempts a join room_reaper.destructions d on d.id = a.destruction_id
          order by d.room_id, a.attempt`,
      ),
    );
    return rows;
  }

  async findings(): Promise<Findings> {
    const [report, rows, attempts, slots] = await Promise.all([
      this.server.report(),
      this.destructions(),
      this.attempts(),
      sentSlots(this.options.databaseUrl),
    ]);
    return compare(this.rooms, report, rows, attempts, slots);
  }
}

export interface Findings {
  /** What must not be, in words; empty where ledger and server agree on every room. */
  wrong: string[];
  /** When the requests that were sent were to be, in milliseconds since the epoch. */
  slots: number[];
  /** Rooms by outcome. */
  outcomes: Record<string, number>;
  report: ServerReport;
  rows: DestructionRow[];
  attempts: AttemptRow[];
}

/**
 * The ledger held against the server's own record, room by room. Every room existed, so
 * each must be destroyed, with the server's totals or with the label that they are lost.
 */
function compare(
  rooms: readonly string[],
  report: ServerReport,
  rows: DestructionRow[],
  attempts: AttemptRow[],
  slots: number[],
): Findings {
  const wrong = [...report.problems];
  const outcomes: Record<string, number> = {};
  const requestsOf = groupBy(report.requests, ({ roomId = '' }) => roomId);
  const rowsOf = groupBy(rows, (row) => row.room_id);
  const attemptsOf = groupBy(attempts, (attempt) => attempt.room_id);
  for (const room of rooms) {
    const requests = requestsOf.get(room) ?? [];
    const [row, second] = rowsOf.get(room) ?? [];
    const say = (problem: string) => wrong.push(`${room}: ${problem}`);
    if (row === undefined || second !== undefined) {
      say(row === undefined ? 'no destruction' : 'two destructions');
      continue;
    }
    const outcome = String(row.outcome);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const truth = report.rooms[room];
    if (truth?.destroyed !== true) say(`${outcome}, and it exists`);
    if (requests.length > (attemptsOf.get(room)?.length ?? 0)) say('a request without an attempt');
    switch (outcome) {
      case 'destroyed': {
        const told = requests.find((request) => request.requestId === row.request_id);
        if (told?.toldTotals !== true) say('destroyed, by an answer that never was');
        for (const [column, value] of Object.entries(truth ? totalsInLedger(truth) : {})) {
          const saved = row[column as keyof DestructionRow];
          if (saved !== value) say(`${column} is ${String(saved)}, must be ${value}`);
        }
        break;
      }
      case 'destroyed_statistics_lost':
        // Only where a request before the one that was told "gone" got no answer through.
        if (requests.length < 2) say('statistics lost, and only one request was sent');
        if (row.total_viewers !== null) say('statistics lost, and there are some');
        break;
      default:
        say(`outcome ${outcome}`);
    }
    // Committed is committed: nothing is sent after the answer that ended it.
    const last = requests.at(-1)?.requestId;
    if (row.request_id !== last)
      say(`ended by ${String(row.request_id)}, but ${String(last)} came later`);
  }
  if (rows.length !== rooms.length)
    wrong.push(`${rows.length} destructions of ${rooms.length} rooms`);
  return { wrong, slots, outcomes, report, rows, attempts };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/**
 * Asks until `look` finds nothing missing; `expect.poll`, but also outside of a test.
 *
 * @param look - says what is missing.
 */
export async function until(
  what: string,
  timeoutMs: number,
  look: () => Promise<string | undefined>,
): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const missing = await look().catch((error: unknown) => String(error));
    if (missing === undefined) return;
    if (performance.now() > giveUpAt) {
      throw new Error(`after ${timeoutMs / 1000} s it does not hold that ${what}: ${missing}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Repeatable random numbers, 0 ≤ value < 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: FAULTS_SEED repeats an earlier one, which it printed. */
export function seedOfThisRun(): number {
  const given = process.env['FAULTS_SEED'];
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}

/**
 * Scenarios that mostly wait (a lock runs out after 15 s, a stalled job is found after 25)
 * run side by side; each test then looks at what became of its own.
 */
export async function sideBySide<Name extends string, Result>(
  scenarios: Record<Name, () => Promise<Result>>,
): Promise<(name: Name) => Result> {
  const names = Object.keys(scenarios) as Name[];
  const settled = await Promise.allSettled(names.map((name) => scenarios[name]()));
  return (name) => {
    const result = settled[names.indexOf(name)];
    if (result?.status === 'fulfilled') return result.value;
    throw result?.reason;
  };
}
