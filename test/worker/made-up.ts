/** A job and a worker's parts that tell what was done to them. */
import { pino } from 'pino';
import type { Destruction } from '../../src/destruction.js';
import type { RecordItem } from '../../src/ledger/record.js';
import type { SnapshotItem } from '../../src/ledger/snapshots.js';
import type { Standing } from '../../src/ledger/standing.js';
import type { DestroyJob, JobData } from '../../src/queue/job.js';
import type { Answer } from '../../src/tencent/answer.js';
import type { WorkerContext } from '../../src/worker/context.js';
import { Halted } from '../../src/worker/line-guard.js';
import { createSeal } from '../../src/worker/seal.js';
import { createUnsavedResults } from '../../src/worker/unsaved-result.js';

export const id = '01a2076b-b5a7-74a2-8486-dbbc21ed06d7';

export const requestedAtMs = Date.UTC(2026, 10, 1);

/** Of the app's key. */
export const seal = createSeal({ secretKey: 'a key', sdkAppId: 1_400_000_000 });

export const destruction: Destruction = {
  id,
  roomId: 'room-1',
  batchId: undefined,
  requestedAtMs,
  notAfterMs: requestedAtMs + 3_600_000,
};

export interface MadeUpJob {
  job: DestroyJob;
  /** What BullMQ was asked to do, in order. */
  done: string[];
}

export function madeUpJob(
  changes: Partial<Pick<DestroyJob, 'priority' | 'attemptsMade' | 'id' | 'deduplicationId'>> & {
    data?: Partial<JobData>;
    queueIsAway?: boolean;
  } = {},
): MadeUpJob {
  const done: string[] = [];
  const { data, queueIsAway = false, ...rest } = changes;
  const tell = (what: string) => {
    done.push(what);
    return queueIsAway ? Promise.reject(new Error('connection is closed')) : Promise.resolve();
  };
  const job = {
    id,
    data: { r: 'room-1', l: 3_600_000, ...data } as JobData,
    timestamp: requestedAtMs,
    priority: 4,
    attemptsMade: 0,
    opts: {},
    ...rest,
    changePriority: ({ priority }: { priority: number }) => tell(`lane ${priority}`),
    moveToWait: (token: string) => tell(`to wait with ${token}`),
    moveToDelayed: (atMs: number) =>
      tell(`delayed by ${Math.round((atMs - Date.now()) / 1_000)} s`),
    updateData: (next: JobData) => {
      job.data = next;
      return tell(next.u === undefined ? 'without a result' : 'with a result');
    },
  };
  return { job: job as unknown as DestroyJob, done };
}

const reply = (errorCode: number): Answer => ({
  kind: 'reply',
  httpStatus: 200,
  errorCode,
  errorInfo: `info ${errorCode}`,
  requestId: 'request-1',
  statistics: undefined,
});

export const answers = {
  gone: reply(100004),
  overQuota: reply(60011),
  internal: reply(100001),
  stale: reply(70001),
  disabled: reply(60017),
  rejected: reply(100003),
  timeout: { kind: 'timeout' },
  neverLeft: { kind: 'network', code: 'ECONNREFUSED', written: false },
  down: { kind: 'unreadable', httpStatus: 503 },
} satisfies Record<string, Answer>;

/**
 * @param given.answers - what the API says to each attempt, in order.
 * @param given.reservations - what the limiter says before it grants slots.
 */
export function madeUpContext(
  given: {
    answers?: Answer[];
    reservations?: object[];
    /** Called when a slot of destroy_room is asked for; what it returns is the reservation. */
    onSlot?: () => object | undefined;
    probe?: 'stop' | 'outage';
    renews?: boolean;
    isProven?: boolean;
    suspected?: boolean;
    tooManyRejected?: boolean;
    recording?: () => Promise<unknown>;
    laterRetries?: number;
    protects?: string;
    sentBefore?: boolean;
    /** What get_room_info and get_room_stats answer, in order. */
    looks?: Answer[];
    totals?: Answer[];
    /** What the lines of these two say instead of a slot, in order. */
    readReservations?: object[];
    readProbe?: { probe: 'stop' | 'outage'; probesApp: boolean };
    /** Why a job had better not wait for them. */
    readTrouble?: { reason: string; delayMs: number };
    standing?: Partial<Standing>;
    reopens?: boolean;
    /** Where a worker finds the job of a destruction that was taken back. */
    takesOff?: 'taken' | 'in_hand' | 'gone';
    marking?: () => Promise<void>;
  } = {},
) {
  const done: string[] = [];
  const recorded: RecordItem[] = [];
  const lanesAsked: number[] = [];
  const logged: Record<string, unknown>[] = [];
  const waits: number[] = [];
  const sig = { text: 'sig', renewed: false, proven: given.isProven ?? false };
  const answered = [...(given.answers ?? [])];
  const reservations = [...(given.reservations ?? [])];
  let attempt = 0;
  /** Time passes where a test says so. */
  let nowMs = requestedAtMs;
  const guardSignal = new AbortController();
  const writer = {
    record: async (item: RecordItem) => {
      recorded.push(item);
      done.push(item.end === undefined ? 'attempt saved' : `${item.end.outcome} saved`);
      return given.recording ? ((await given.recording()) as undefined) : undefined;
    },
    release: () => {
      done.push('attempt taken back');
      return Promise.resolve();
    },
    standing: () =>
      Promise.resolve({
        ...{ isClosed: false, sent: false, mayHaveActed: false, snapshotAtMs: undefined },
        ...given.standing,
      }),
    saveSnapshot: ({ statistics }: SnapshotItem) => {
      done.push(`snapshot of ${statistics.totalViewers} viewers saved`);
      return Promise.resolve();
    },
    abandon: () => undefined,
  };
  const tell = (what: string) => {
    done.push(what);
    return Promise.resolve();
  };
  /** A request that is answered by the next of these. */
  const requestFor = (what: string, next: Answer[]) => ({
    ...{ sig, ready: Promise.resolve(), isUsable: () => true, abandon: () => undefined },
    url: 'https://localhost/command',
    release: () => {
      done.push(what);
      const answer = next.shift();
      return answer ? Promise.resolve(answer) : Promise.reject(new Error('no answer is left'));
    },
  });
  const looks = [...(given.looks ?? [])];
  const totals = [...(given.totals ?? [])];
  const readReservations = [...(given.readReservations ?? [])];
  const readLine = {
    command: 'get_room_info',
    limiter: {
      takeSlot: () => {
        guardSignal.signal.throwIfAborted();
        const probe = given.readProbe ?? { probe: undefined, probesApp: false };
        return Promise.resolve(
          readReservations.shift() ?? { kind: 'granted', slotAtMs: nowMs, ...probe },
        );
      },
      written: () => undefined,
    },
    outage: {
      ...{ overdueAfterMs: 60_000, suspected: given.suspected ?? false },
      failed: () => true,
      worked: () => undefined,
      probeWorked: () => tell('outage of reads over'),
    },
    enter: () => () => undefined,
    trouble: () => given.readTrouble,
    brake: (reason: string) => tell(`reads braked: ${reason}`),
    stop: ({ holdsAll }: { holdsAll: boolean }) => tell(holdsAll ? 'all stopped' : 'reads stopped'),
    foundStopped: ({ isApp }: { isApp: boolean }) =>
      void tell(isApp ? 'app found stopped' : 'reads found stopped'),
    foundRunning: (probe: { isApp: boolean } | undefined) =>
      probe ? tell(probe.isApp ? 'app runs again' : 'reads run again') : Promise.resolve(),
  };
  const context = {
    now: () => nowMs,
    limiter: {
      takeSlot: (wish: { lane: number }) => {
        lanesAsked.push(wish.lane);
        guardSignal.signal.throwIfAborted();
        attempt += 1;
        return Promise.resolve(
          given.onSlot?.() ??
            reservations.shift() ?? {
              ...{ kind: 'granted', attempt, slotAtMs: requestedAtMs },
              ...{ mayHaveActedBefore: false, probe: given.probe },
            },
        );
      },
      written: () => undefined,
    },
    writer,
    unsaved: createUnsavedResults(writer, seal, () => undefined),
    client: {
      prepareDestroy: () => requestFor('sent', answered),
      prepareRoomInfo: () => requestFor('looked', looks),
      prepareRoomStats: () => requestFor('asked for totals', totals),
    },
    reads: { info: () => Promise.resolve(readLine), stats: () => Promise.resolve(readLine) },
    signer: {
      current: () => sig,
      renew: () => {
        done.push('signature renewed');
        return given.renews ?? true;
      },
      accepted: () => undefined,
    },
    guard: {
      signal: guardSignal.signal,
      wait: (ms: number) => {
        waits.push(ms);
        return Promise.resolve();
      },
      stop: ({ reason, code }: { reason: string; code: number }) =>
        void tell(`line stopped: ${reason} (${code})`),
      brake: (reason: string) => tell(`braked: ${reason}`),
      foundStopped: () => void tell('line found stopped'),
      foundRunning: (probe: boolean) => (probe ? tell('line runs again') : Promise.resolve()),
    },
    outage: {
      ...{ overdueAfterMs: 60_000, suspected: given.suspected ?? false },
      failed: () => true,
      worked: () => undefined,
      probeWorked: () => tell('outage over'),
    },
    rejections: { saw: () => given.tooManyRejected ?? false },
    cameBack: {
      reopen: (_job: DestroyJob, its: Destruction) =>
        Promise.resolve(given.reopens === true ? its : undefined),
    },
    protectedRooms: { protects: () => given.protects },
    sentBefore: () => Promise.resolve(given.sentBefore ?? false),
    takeBack: {
      mark: (marked: string) => {
        done.push(`${marked} marked`);
        return given.marking?.() ?? Promise.resolve();
      },
      takeOff: () => Promise.resolve(given.takesOff ?? 'gone'),
      freeRoom: (roomId: string) => tell(`${roomId} freed`),
    },
    log: pino(
      { level: 'info', base: null },
      { write: (text) => void logged.push(JSON.parse(text) as never) },
    ),
    metrics: {
      attempted: () => undefined,
      asked: () => undefined,
      ended: () => undefined,
      unsaved: () => undefined,
    },
    onEnded: ({ outcome }: { outcome: string }) => done.push(`ended ${outcome}`),
    onTrouble: (reason: string) => done.push(`trouble: ${reason}`),
    laterRetries: given.laterRetries ?? 8,
    random: () => 0.5,
    inHand: new Set<string>(),
    unreadable: new Map<string, number>(),
    inFlight: new Set(),
  } as unknown as WorkerContext;
  return {
    context,
    /** What was done, in order. */
    done,
    recorded,
    lanesAsked,
    logged,
    /** How long it waited between attempts, in milliseconds. */
    waits,
    /** So much time goes by, in milliseconds. */
    pass: (ms: number) => {
      nowMs += ms;
    },
    halt: () => guardSignal.abort(new Halted('this worker is shutting down')),
  };
}
