/**
 * Granting slots of a line: what the statements that reserve have in common
 * (docs/architecture.md, "The limiter").
 */
import type { Database } from './database.js';

export interface StoppedLine {
  /** An outage of the API, which passes by itself; else something that a person must mend. */
  outage: boolean;
  code: number | undefined;
  reason: string;
  remedy: string | undefined;
  /** Name of the worker that said so; of an outage it is all of them. */
  by: string | undefined;
  /** When one job may try again, in milliseconds since the epoch, on the database's clock. */
  probeAtMs: number;
}

/** What a probe tries: whether the cause of a stop was mended, or whether an outage is over. */
export type Probe = 'stop' | 'outage';

/** A slot of a line. */
export interface Grant {
  kind: 'granted';
  /** Milliseconds since the epoch, on the database's clock. */
  slotAtMs: number;
  /** The line was stopped, or in an outage: this is the one attempt that tries whether it may run again. */
  probe: Probe | undefined;
}

/** What came of a reservation, whatever it is for. */
export interface ReserveResult<R> {
  /**
   * In the order of the wishes; `undefined` where none could be made for a passing reason:
   * ask again.
   */
  reservations: (R | undefined)[];
  /** The database's clock while the statement ran, in milliseconds since the epoch. */
  databaseNowMs: number;
  /** No slot comes before this (a brake, a new line), in milliseconds since the epoch. */
  notBeforeMs: number;
  /** False in a fresh or restored database: `ensureLine` makes the row. */
  lineExists: boolean;
}

/** What asks for a slot. */
export interface Wish {
  /** A slot that was granted for it and could not be used: others may have its place in the window. */
  givenUpSlotMs?: number;
}

export interface ReserveOptions {
  lineId: string;
  sdkAppId: number;
  workerId: string;
  /** Interval between slots when nothing brakes, in milliseconds. */
  intervalMs: number;
  /** Slots in one window of the API: its quota. */
  windowSlots: number;
  /** How far ahead of now the first slot lies at least, in milliseconds: the way back of the reply. */
  leadMs: number;
  /**
   * When this process last had an answer that shows the API at work, in milliseconds since the
   * epoch, on the database's clock: others know by it that an outage is theirs alone.
   */
  answeredAtMs: number | undefined;
  /** Slots of this worker that were used late. */
  moved: readonly MovedSlot[];
  /** The newest slot that this worker holds or used: a row that lacks it comes from before it. */
  newestSlotMs: number | undefined;
}

/** A slot, and when it was used, in milliseconds since the epoch, on the database's clock. */
export interface MovedSlot {
  slotAtMs: number;
  usedAtMs: number;
}

/** Longest pause between two probes of a stopped line, and of one in an outage, in milliseconds. */
const longestProbePauseMs = 3_600_000;
const longestOutagePauseMs = 2_000;

/**
 * For so long after it is due, the probe of a stopped line is for another worker than the one that
 * stopped it or probed last, whose trouble it may be alone. In milliseconds.
 */
const forOthersMs = 5_000;

/** SQL: the interval in force of a line, in milliseconds; `full` is the interval when nothing brakes. */
export function intervalInForce(line: string, full: string): string {
  return `room_reaper.interval_in_force(${full}::float8, ${line}.braked_rate, ${line}.over_quota_rate,
    extract(epoch from clock_timestamp() - ${line}.braked_at)::float8)`;
}

/**
 * SQL: before this a line grants no slot, in epoch milliseconds. It was a window ahead at most
 * when it was written; what lies further ahead now is from before the clock went back.
 */
export function notBefore(line: string): string {
  return `extract(epoch from least(${line}.not_before, clock_timestamp() + interval '1 second'))::float8 * 1000`;
}

/** SQL: of a line that does not run, this worker ($2) tries now: the next one tries later. */
export function spendProbe(line: string): string {
  return `probe_at = case when ${line}.stopped_at is null then null
           else clock_timestamp() + ${line}.probe_pause_ms * interval '1 millisecond' end,
         probed_by = case when ${line}.stopped_at is null then null else $2 end,
         probe_pause_ms = case when ${line}.stopped_at is null then null
           when ${line}.outage then least(${line}.probe_pause_ms * 2, ${longestOutagePauseMs})
           else least(${line}.probe_pause_ms * 2, ${longestProbePauseMs}) end`;
}

/** SQL: whether this worker ($2) may try whether a line that does not run may run again. */
export function probeIsDue(line: string): string {
  return `${line}.probe_at <= clock_timestamp() - case
            when ${line}.outage or ${line}.probed_by is distinct from $2 then interval '0'
            else ${forOthersMs} * interval '1 millisecond' end`;
}

/**
 * SQL: grants the next slots of a line: as many as `wanted`, or one to a probe where the line is
 * stopped or in an outage and the probe is due, and none otherwise.
 *
 * $1 line id, $2 worker id, $3 interval (ms), $4 lead (ms), $5 slots given up (epoch ms), $6 slots
 * in a window, $7 when this worker last had an answer that shows the API at work (epoch ms, or
 * null); $8 and $9 slots used late, and when (epoch ms); $10 the newest slot that this worker
 * knows (epoch ms, or null).
 *
 * Locks the line's row until it commits: reservations of all workers follow one another.
 * `clock_timestamp()` is read under that lock.
 */
export function grantLine(wanted: string): string {
  const interval = intervalInForce('l', '$3');
  return `update room_reaper.lines l
     set interval_ms = ${interval},
         recent = room_reaper.grant_slots(
           room_reaper.known_slots(
             room_reaper.move_slots(l.recent, $8::float8[], $9::float8[]), $10,
             extract(epoch from clock_timestamp())::float8 * 1000, ${interval}, $6),
           $5::float8[],
           extract(epoch from clock_timestamp())::float8 * 1000 + $4,
           ${notBefore('l')},
           (case when l.stopped_at is null then ${wanted} else 1 end)::int,
           ${interval}, $6),
         ${spendProbe('l')},
         answered_at = greatest(l.answered_at, to_timestamp($7::float8 / 1000))
   where l.id = $1 and ${wanted} > 0
     and (l.stopped_at is null or ${probeIsDue('l')})
  returning l.number, l.recent, cardinality(l.recent) as remembered, l.probe_at,
    case when l.stopped_at is null then null when l.outage then 'outage' else 'stop' end as probe,
    case when l.stopped_at is null then ${wanted} else 1 end as granted`;
}

/** $1–$10 of {@link grantLine}. */
export function grantParameters(options: ReserveOptions, wishes: readonly Wish[]): unknown[] {
  const { moved } = options;
  return [
    options.lineId,
    options.workerId,
    options.intervalMs,
    options.leadMs,
    wishes.flatMap(({ givenUpSlotMs }) => (givenUpSlotMs === undefined ? [] : [givenUpSlotMs])),
    options.windowSlots,
    options.answeredAtMs ?? null,
    moved.map(({ slotAtMs }) => slotAtMs),
    moved.map(({ usedAtMs }) => usedAtMs),
    options.newestSlotMs ?? null,
  ];
}

/** $1 line id, $2 and $3 slots used late, and when (epoch ms). */
const moveSlotsSql = `
update room_reaper.lines set recent = room_reaper.move_slots(recent, $2, $3) where id = $1`;

/** Tells a line what was used late, where no reservation tells it. */
export async function moveSlots(
  database: Database,
  lineId: string,
  moved: readonly MovedSlot[],
): Promise<void> {
  const slots = moved.map(({ slotAtMs }) => slotAtMs);
  const used = moved.map(({ usedAtMs }) => usedAtMs);
  await database.query('line-move-slots', moveSlotsSql, [lineId, slots, used]);
}

/** What the row of a line says of its stop. */
export interface StopRow {
  outage: boolean | null;
  stop_code: number | null;
  stop_reason: string | null;
  stop_remedy: string | null;
  stop_worker: string | null;
  probe_at: number | null;
  now: number;
}

export function readStop(row: StopRow): StoppedLine {
  return {
    outage: row.outage ?? false,
    code: row.stop_code ?? undefined,
    reason: row.stop_reason ?? '',
    remedy: row.stop_remedy ?? undefined,
    by: row.stop_worker ?? undefined,
    probeAtMs: row.probe_at ?? row.now,
  };
}
