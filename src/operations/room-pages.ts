/**
 * The pages of get_room_list: twenty rooms each, ten a second, over all who ask for the app. It has
 * a line of its own in the ledger, so its brake slows nothing else; a wrong key stops nothing, for
 * whoever asks is told at once, and what holds the whole app holds it too.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReaperError } from '../errors.js';
import { brakeLine, lineId, resumeLine } from '../ledger/line.js';
import { reserveReads, type ReadReservation } from '../ledger/reserve-reads.js';
import { openLedgerClock } from '../limiter/clock.js';
import { createLimiter, type LaneWish, type Limiter } from '../limiter/limiter.js';
import { slotInterval, slotsInWindow } from '../limiter/pace.js';
import { createSlotTimer } from '../limiter/slot-timer.js';
import { startPatienceMs } from '../passing.js';
import type { Answer } from '../tencent/answer.js';
import { createApiClient, type ApiClient } from '../tencent/client.js';
import { roomListCommand, roomListQuota } from '../tencent/endpoint.js';
import { readRoomPage, type RoomPage } from '../tencent/rooms.js';
import { createSigner, type Signer, type UserSig } from '../tencent/user-sig.js';
import { judge } from '../tencent/verdicts.js';
import { withCode } from '../text.js';
import type { Service } from './service.js';

/** How often a page is asked for that is not answered, and the pause after the first failure, in milliseconds; doubles. */
const triesPerPage = 6;
const firstPauseMs = 250;

export interface RoomPages {
  /**
   * @param next - where the page begins; empty: the first.
   * @throws ReaperError `INVALID` where the API refuses it, `UNAVAILABLE` where the line of the app
   *   is stopped or the API does not answer.
   */
  read(next: string): Promise<AskedPage>;
  close(): void;
}

export interface AskedPage extends RoomPage {
  /** Milliseconds since the epoch, on the ledger's clock. */
  askedAtMs: number;
}

/** What a page is asked for with. */
interface Asking {
  client: ApiClient;
  signer: Signer;
  limiter: Limiter<LaneWish, ReadReservation>;
  signal: AbortSignal;
  brake(reason: string): Promise<void>;
  /** The line was stopped, of this command or of the app, and the API answers again. */
  resume(isApp: boolean): Promise<void>;
}

/**
 * @param signal - ends what is under way: `read` rejects with its reason.
 * @throws ReaperError `INVALID` without a key. The driver's error where the ledger goes away, here or in `read`.
 */
export async function openRoomPages(service: Service, signal: AbortSignal): Promise<RoomPages> {
  const { config, database, lineKey } = service;
  const { credentials, endpoint, proxy, requestTimeoutMs, arrivalJitterMs: jitterMs } = config;
  if (credentials === undefined) {
    throw new ReaperError(
      'INVALID',
      'TENCENT_SECRET_KEY must be set to the key of your app; listing rooms signs requests',
    );
  }
  const line = { ...lineKey, command: roomListCommand };
  const intervalMs = slotInterval(roomListQuota, jitterMs);
  const failing = new AbortController();
  let awaySince: number | undefined;
  const clock = await openLedgerClock(database);
  const signer = createSigner(credentials);
  const client = createApiClient({ credentials, endpoint, proxy, signer, requestTimeoutMs });
  function close(): void {
    clock.close();
    client.close();
  }
  try {
    const limiter = await createLimiter<LaneWish, ReadReservation>({
      ...{ database, clock, line, intervalMs, jitterMs },
      reserve: reserveReads,
      timer: createSlotTimer(() => clock.monotonic()),
      windowSlots: slotsInWindow(roomListQuota),
      workerId: randomUUID(),
      onLead: () => undefined,
      // A worker waits for its ledger as long as it takes; whoever asks for a list is told.
      onDatabase(error) {
        awaySince = error && (awaySince ?? performance.now());
        if (awaySince !== undefined && performance.now() - awaySince >= startPatienceMs)
          failing.abort(error);
      },
      onAnswer: () => undefined,
      onSlowLedger: () => undefined,
      onOutage: () => undefined,
      answeredAtMs: () => undefined,
    });
    const asking: Asking = {
      ...{ client, signer, limiter, signal: AbortSignal.any([signal, failing.signal]) },
      brake: async (reason) => {
        await brakeLine(database, lineId(line), intervalMs, reason);
      },
      resume: async (isApp) => {
        await resumeLine(database, lineId(isApp ? lineKey : line));
      },
    };
    return { read: (next) => readPage(next, asking), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readPage(next: string, asking: Asking): Promise<AskedPage> {
  let trouble = '';
  for (let failures = 0, renewed = false; failures < triesPerPage;) {
    const { answer, sig, grant } = await ask(next, asking);
    const verdict = judge(answer);
    trouble = withCode(verdict.reason, answer.kind === 'reply' ? answer.errorCode : undefined);
    switch (verdict.word) {
      case 'destroyed': {
        if (grant.probe === 'stop') await asking.resume(grant.probesApp);
        const page = readRoomPage(answer.kind === 'reply' ? answer.response : undefined);
        if (page !== undefined) return { ...page, askedAtMs: grant.slotAtMs };
        trouble = 'the answer is not the documented list of rooms';
        break;
      }
      case 'over_quota':
        // Its next slot comes after the brake's pause.
        await asking.brake(verdict.reason);
        continue;
      case 'stale_signature':
        if (!renewed && asking.signer.renew(sig)) {
          renewed = true;
          continue;
        }
        throw refused(trouble, verdict.remedy);
      case 'stop_line':
        throw refused(trouble, verdict.remedy);
      case 'gone':
      case 'rejected':
        throw refused(trouble, 'see whether Live is enabled for the app in the console');
      case 'transient':
        break;
      default:
        verdict.word satisfies never;
    }
    failures += 1;
    if (failures === triesPerPage) break;
    await sleep(firstPauseMs * 2 ** (failures - 1), undefined, { signal: asking.signal });
  }
  throw new ReaperError(
    'UNAVAILABLE',
    `the API does not tell which rooms are live: ${trouble}; ask again later`,
  );
}

/** Nothing is stopped by it, so that nothing has to be resumed. */
function refused(why: string, meant: string | undefined): ReaperError {
  const remedy = meant?.replace(/, then run `room-reaper resume`$/, '');
  return new ReaperError(
    'INVALID',
    `the API refuses to tell which rooms are live: ${why}${remedy === undefined ? '' : `; ${remedy}`}`,
  );
}

type Granted = Extract<ReadReservation, { kind: 'granted' }>;

/** One request at its slot, as of a worker (src/worker/send.ts): its connection comes first. */
async function ask(
  next: string,
  { client, signer, limiter, signal }: Asking,
): Promise<{ answer: Answer; sig: UserSig; grant: Granted }> {
  let request = client.prepareRoomList(next);
  const giveUp = () => request.abandon();
  signal.addEventListener('abort', giveUp);
  try {
    await request.ready;
    const reservation = await limiter.takeSlot({ lane: 0 }, signal, async () => {
      if (!request.isUsable() || request.sig !== signer.current()) {
        // While it waited the connection was closed, or the signature replaced.
        request.abandon();
        request = client.prepareRoomList(next);
        await request.ready;
      }
      await request.readOnceMore();
      signal.throwIfAborted();
    });
    if (reservation.kind === 'stopped') throw standsStill(reservation);
    const { slotAtMs } = reservation;
    const answer = await request.release(() => limiter.written(slotAtMs));
    signal.throwIfAborted();
    return { answer, sig: request.sig, grant: reservation };
  } finally {
    signal.removeEventListener('abort', giveUp);
    request.abandon();
  }
}

function standsStill({ line, isApp }: Extract<ReadReservation, { kind: 'stopped' }>): ReaperError {
  const what = isApp ? 'the line is stopped' : 'get_room_list is stopped';
  const remedy = line.remedy === undefined ? '' : `; ${line.remedy}`;
  return new ReaperError('UNAVAILABLE', `${what}: ${withCode(line.reason, line.code)}${remedy}`);
}
