/**
 * A ledger and a time that are a test's own: no pause of the machine changes what the limiter
 * sees. Time stands still until the test lets it pass.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../../src/ledger/database.js';
import {
  createLimiter,
  type Limiter,
  type LimiterOptions,
  type SlotWish,
} from '../../src/limiter/limiter.js';
import type { MovedSlot } from '../../src/ledger/grant.js';
import { reserveSlots } from '../../src/ledger/reserve.js';
import { request } from '../ledger/fixture.js';

/** What the limiter asked of the ledger in one statement. */
export interface Asked {
  ids: string[];
  leadMs: number;
  givenUp: number[];
  moved: MovedSlot[];
  newestSlotMs: number | null;
}

interface Row {
  id: string;
  [column: string]: unknown;
}

export const intervalMs = 5;
export const jitterMs = 20;
const windowSlots = 200;

function movedSlots(slots: unknown, used: unknown): MovedSlot[] {
  return (slots as number[]).map((slotAtMs, index) => ({
    ...{ slotAtMs, usedAtMs: (used as number[])[index] ?? NaN },
  }));
}

export function madeUpLedger() {
  const startMs = 1_800_000_000_000;
  let nowMs = startMs;
  /** By how much the ledger's clock went back since the start. */
  let backMs = 0;
  const databaseNowMs = () => nowMs - backMs;
  let nextSlotMs = 0;
  const waiting: { at: number; resolve: () => void }[] = [];
  const asked: Asked[] = [];
  const statements: string[] = [];
  const moves: MovedSlot[][] = [];
  const answers: ((rows: Row[], question: Asked) => Row[] | Promise<Row[]>)[] = [];

  const database: Database = {
    async query(name: string, _sql: string, values: readonly unknown[]) {
      statements.push(name);
      if (name === 'line-move-slots') {
        if (ledger.failsToMove) throw new Error('down');
        moves.push(movedSlots(values[1], values[2]));
      }
      if (name !== 'reserve') return [];
      const question: Asked = {
        ids: values[11] as string[],
        leadMs: values[3] as number,
        givenUp: values[4] as number[],
        moved: movedSlots(values[7], values[8]),
        newestSlotMs: values[9] as number | null,
      };
      asked.push(question);
      const rows = question.ids.map((id): Row => {
        const slotAtMs = Math.max(nextSlotMs, databaseNowMs() + question.leadMs);
        nextSlotMs = slotAtMs + intervalMs;
        return {
          ...{ id, is_foreign: false, outcome: null, closed: false, cancelled: false, sent: false },
          ...{ may_have_acted: false, attempt: 1, slot_at: slotAtMs, probe: null },
          ...{ line_exists: true, stopped: false, outage: null, stop_code: null },
          ...{
            stop_reason: null,
            stop_remedy: null,
            probe_at: null,
            not_before: 0,
            now: databaseNowMs(),
          },
        };
      });
      return (await (answers.shift() ?? ((same) => same))(rows, question)) as never[];
    },
    close: () => Promise.resolve(),
  };

  const ledger = {
    database,
    /** What was asked for, statement by statement. */
    asked,
    /** The names of all statements. */
    statements,
    /** How the next reservations are answered, one after the other; then they are granted. */
    answers,
    /** What was told of late slots beside reservations. */
    moves,
    failsToMove: false,
    isAsleep: false,
    now: databaseNowMs,
    /** Instants that somebody waits for. */
    waitedFor: () => waiting.map(({ at }) => at),
    /** Time stands at this instant at once, as if the process had been held up until then. */
    stallUntil(atMs: number): void {
      nowMs = Math.max(nowMs, atMs);
      const due = waiting.filter(({ at }) => at <= nowMs);
      for (const each of due) {
        waiting.splice(waiting.indexOf(each), 1);
        each.resolve();
      }
    },
    /** The ledger's clock goes back, and its row forgets what lies too far ahead. */
    turnBack(ms: number): void {
      backMs += ms;
      nextSlotMs = 0;
    },
    /** Time passes from one instant that is waited for to the next, until this is done. */
    async pass<T>(promise: Promise<T>): Promise<T> {
      let isDone = false;
      const done = promise.finally(() => (isDone = true));
      done.catch(() => undefined);
      for (;;) {
        for (let turn = 0; turn < 3; turn++) await nextTurn();
        if (isDone as boolean) return done;
        if (waiting.length > 0) ledger.stallUntil(Math.min(...ledger.waitedFor()));
      }
    },
    limiter(options: Partial<LimiterOptions> = {}): Promise<Limiter> {
      return createLimiter({
        database,
        reserve: reserveSlots,
        clock: {
          now: databaseNowMs,
          toLocal: (databaseMs) => databaseMs + backMs - startMs,
          monotonic: () => nowMs - startMs,
          wasSuspended: () => ledger.isAsleep,
        },
        timer: {
          until: (at, signal) =>
            new Promise((resolve, reject) => {
              if (signal.aborted) {
                reject(signal.reason as Error);
                return;
              }
              const waiter = { at: at + startMs, resolve };
              waiting.push(waiter);
              signal.addEventListener('abort', () => {
                if (waiting.includes(waiter)) waiting.splice(waiting.indexOf(waiter), 1);
                reject(signal.reason as Error);
              });
              ledger.stallUntil(nowMs);
            }),
        },
        line: { host: 'localhost', sdkAppId: 1, command: 'destroy_room' },
        intervalMs,
        windowSlots,
        jitterMs,
        workerId: 'worker-1',
        onLead: () => undefined,
        onDatabase: () => undefined,
        onAnswer: () => undefined,
        onSlowLedger: () => undefined,
        onOutage: () => undefined,
        answeredAtMs: () => undefined,
        ...options,
      });
    },
  };
  return ledger;
}

export function wish(changes: Partial<SlotWish> = {}): SlotWish {
  return { ...request(), lane: 4, ...changes };
}
