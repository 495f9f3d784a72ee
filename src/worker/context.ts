import type { Logger } from 'pino';
import type { EndedDestruction } from '../destruction.js';
import type { Limiter } from '../limiter/limiter.js';
import type { ProtectedRooms } from '../protected-rooms.js';
import type { DestroyJob } from '../queue/job.js';
import type { TakeOff } from '../queue/take-back.js';
import type { ApiClient, SignedRequest } from '../tencent/client.js';
import type { Signer } from '../tencent/user-sig.js';
import type { CameBack } from './came-back.js';
import type { LedgerWriter } from './ledger-writer.js';
import type { LineGuard } from './line-guard.js';
import type { WorkerMetrics } from './metrics.js';
import type { OutageWatch } from './outage-watch.js';
import type { Reads } from './read-line.js';
import type { Rejections } from './rejections.js';
import type { UnsavedResults } from './unsaved-result.js';

/** What every job of one worker shares. */
export interface WorkerContext {
  /** Database time now, in milliseconds since the epoch. */
  readonly now: () => number;
  readonly limiter: Limiter;
  readonly writer: LedgerWriter;
  readonly unsaved: UnsavedResults;
  readonly client: ApiClient;
  readonly signer: Signer;
  readonly guard: LineGuard;
  readonly outage: OutageWatch;
  readonly rejections: Rejections;
  /** What is asked about rooms before they are destroyed. */
  readonly reads: Reads;
  readonly cameBack: CameBack;
  /** Rooms that are never destroyed. */
  readonly protectedRooms: ProtectedRooms;
  /** Whether the ledger knows a request for this destruction that was, or may have been, sent. */
  readonly sentBefore: (destructionId: string) => Promise<boolean>;
  /** What a note that takes a destruction back is carried out with. */
  readonly takeBack: {
    /** From then on no slot is granted for it. */
    mark(destructionId: string): Promise<void>;
    readonly takeOff: TakeOff;
    /** Its room can be asked for again. */
    freeRoom(roomId: string, destructionId: string): Promise<unknown>;
  };
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
  /** Told how each destruction ended. */
  readonly onEnded: (ended: EndedDestruction) => void;
  /** Told why attempts fail, for whoever watches. */
  readonly onTrouble: (reason: string) => void;
  /** How often a room that keeps failing is tried again later. */
  readonly laterRetries: number;
  /** 0 ≤ value < 1. */
  readonly random: () => number;
  /** Destructions that this process has in hand: a job whose lock was lost can arrive twice. */
  readonly inHand: Set<string>;
  /** Jobs that could not be read, with how often: something on the way may have spoilt them. */
  readonly unreadable: Map<string, number>;
  /** Requests sent and not answered yet: abandoned when a shutdown runs out of time. */
  readonly inFlight: Set<SignedRequest>;
}

/** What the steps of one run know of the job that they work on. */
export interface JobInHand {
  readonly job: DestroyJob;
  /** Lower goes first. */
  readonly lane: number;
  /** Whether no run of it failed before, and this one in no way that is its own fault. */
  fresh: boolean;
}
