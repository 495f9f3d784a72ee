/**
 * What happens outside meanwhile: rooms end by themselves and are created again, and the API tells
 * of the end of each room, once or twice, late, in any order, without its totals, or never.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../src/config.js';
import { openDatabase } from '../../src/ledger/database.js';
import { takeEvents } from '../../src/operations/webhook.js';
import type { CountingServer, RoomEnd } from '../support/counting-server.js';
import { epochNow } from '../support/stalls.js';
import type { Accepted, Created, Told } from './history.js';
import { chanceOf } from './random.js';
import { briefHours, kindOf } from './rooms.js';

/** A look at a room counts for 5 s (src/worker/send.ts): the room after it is created later, in milliseconds. */
const createdAgainAfterMs = 6_500;

/** Between two looks at what happened, in milliseconds. */
const everyMs = 250;

/** Of the rooms that nobody has destroyed yet, in one look: how many end by themselves. */
const endsByThemselves = 0.002;

/** No delay of a wave is longer, in milliseconds: a `brief` room is out of date by then. */
const briefIsOverMs = 6_000 + briefHours * 3_600_000 + 1_000;

/** How late a callback comes that is late, at most, in milliseconds. */
const latestMs = 10_000;

/** $1 room. Null: no worker has taken it up. */
const endedSql = `
select bool_and(outcome is not null) as ended from room_reaper.destructions where room_id = $1`;

/** What is done about the callback of a room's end, with the shares of those ends. */
const fates = [
  { share: 0.3, tellings: [] },
  { share: 0.2, tellings: ['now'] },
  { share: 0.2, tellings: ['now', 'late'] },
  { share: 0.2, tellings: ['late'] },
  { share: 0.03, tellings: ['bare'] },
  { share: 0.03, tellings: ['bare', 'late'] },
  { share: 0.04, tellings: ['last'] },
] as const satisfies { share: number; tellings: Telling[] }[];

/** `bare`: at once, without totals; `last`: when all else is over. */
type Telling = 'now' | 'late' | 'bare' | 'last';

function tellingsOf(chance: number): readonly Telling[] {
  let left = chance;
  for (const { share, tellings } of fates) {
    if (left < share) return tellings;
    left -= share;
  }
  return [];
}

export interface Outside {
  /** What has happened so far; they grow. */
  readonly ends: readonly RoomEnd[];
  readonly told: readonly Told[];
  readonly created: readonly Created[];
  /** From now on no room ends by itself or is created again. */
  calm(): void;
  /** Tells what is left to tell. To be called when the queue is empty. */
  finish(): Promise<void>;
  /** Tells nothing more. */
  close(): Promise<void>;
}

interface OutsideOptions {
  seed: number;
  sdkAppId: number;
  api: CountingServer;
  /** Past the proxy: callbacks come by another way than what workers save. */
  databaseUrl: string;
  /** It grows. */
  accepted: readonly Accepted[];
  /** Somebody wants a room that was created again to be destroyed, too. */
  onWanted: (roomId: string) => Promise<void>;
}

export async function startOutside(options: OutsideOptions): Promise<Outside> {
  const { seed, sdkAppId, api, databaseUrl, accepted } = options;
  const database = await openDatabase({
    connection: { connectionString: databaseUrl },
    shownAs: 'the test database',
  });
  const env = { TENCENT_SDK_APP_ID: String(sdkAppId) };
  const config = readConfig(env, { app: true, credentials: false });
  const taker = takeEvents({ database, config });
  const ends: RoomEnd[] = [];
  const told: Told[] = [];
  const created: Created[] = [];
  const last: (() => Promise<void>)[] = [];
  const underWay = new Set<Promise<void>>();
  const calming = new AbortController();
  // Every room that will be created again waits on it.
  setMaxListeners(0, calming.signal);
  /** Rooms that have ended once. */
  const gone = new Set<string>();
  let closed = false;
  let abandoned = false;

  function begin(work: Promise<void>): void {
    underWay.add(work);
    void work.then(() => underWay.delete(work));
  }

  /** Until it is taken: where the ledger is away the API tries again. */
  async function tell(end: RoomEnd, telling: Telling): Promise<void> {
    const { roomId, atMs, requestId, totals } = end;
    const statistics = {
      totalViewers: BigInt(totals.TotalViewers),
      totalGiftsSent: BigInt(totals.TotalGiftsSent),
      totalGiftCoins: BigInt(totals.TotalGiftCoins),
      totalUniqueGiftSenders: BigInt(totals.TotalUniqueGiftSenders),
      totalLikesReceived: BigInt(totals.TotalLikesReceived),
    };
    const event = {
      ...{ roomId, endedAtMs: Math.round(atMs), operator: undefined },
      endedBy: requestId === undefined ? ('system' as const) : ('user' as const),
      statistics: telling === 'bare' ? undefined : statistics,
    };
    while (!abandoned) {
      try {
        await taker.take(event);
        told.push({ end, atMs: epochNow(), withTotals: telling !== 'bare' });
        return;
      } catch {
        await sleep(everyMs);
      }
    }
  }

  function tellOf(end: RoomEnd, index: number): void {
    const name = `${end.roomId} ${end.createTime} ${index}`;
    for (const telling of tellingsOf(chanceOf(seed, `fate of ${name}`))) {
      if (telling === 'last') last.push(() => tell(end, telling));
      else if (telling === 'late')
        begin(sleep(latestMs * chanceOf(seed, `late ${name}`)).then(() => tell(end, telling)));
      else begin(tell(end, telling));
    }
  }

  /** It is on the ledger, and nobody works on it. */
  async function hasEnded(roomId: string): Promise<boolean> {
    const [row] = await database.query<{ ended: boolean | null }>('chaos-ended', endedSql, [
      roomId,
    ]);
    return row?.ended === true;
  }

  async function createAgain(roomId: string, { signal } = calming): Promise<void> {
    await sleep(createdAgainAfterMs, undefined, { signal });
    const atMs = epochNow();
    await api.recreate(roomId, atMs);
    created.push({ roomId, atMs });
    if (kindOf(roomId) !== 'twice') return;
    // A request that still waits would be for both.
    while (!(await hasEnded(roomId).catch(() => false)))
      await sleep(everyMs, undefined, { signal });
    await options.onWanted(roomId);
  }

  /** Of the rooms that are wanted, and of those that nobody will destroy any more. */
  async function endSome(look: number): Promise<void> {
    const askedAtMs = new Map(accepted.map(({ roomId, atMs }) => [roomId, atMs]));
    for (const [roomId, atMs] of askedAtMs) {
      const kind = kindOf(roomId);
      if (gone.has(roomId) || kind === 'refused' || kind === 'ghost') continue;
      if (kind === 'brief' && epochNow() - atMs < briefIsOverMs) continue;
      if (chanceOf(seed, `${look} ends ${roomId}`) < endsByThemselves) await api.end(roomId);
    }
  }

  /** Whether a room that ended is created again: not where a request that has no guard may come late. */
  function comesBack({ roomId, requestId }: RoomEnd): boolean {
    if (calming.signal.aborted || gone.has(roomId)) return false;
    const kind = kindOf(roomId);
    return kind === 'again' || kind === 'twice' || (kind === 'brief' && requestId === undefined);
  }

  async function takeIn(): Promise<void> {
    for (const end of await api.ends(ends.length)) {
      tellOf(end, ends.push(end));
      // What is broken off by the calm is not done.
      if (comesBack(end)) begin(createAgain(end.roomId).catch(() => undefined));
      gone.add(end.roomId);
    }
  }

  async function watch(): Promise<void> {
    for (let look = 0; !closed; look++) {
      await takeIn();
      if (!calming.signal.aborted) await endSome(look);
      await sleep(everyMs);
    }
  }
  const watching = watch();
  // Awaited when all is over: a failure before that must not go unhandled.
  watching.catch(() => undefined);

  return {
    ends,
    told,
    created,
    calm: () => calming.abort(),
    async finish() {
      closed = true;
      await watching;
      await takeIn();
      while (underWay.size > 0) await Promise.all(underWay);
      const order = last.map((tellIt, index) => ({ tellIt, at: chanceOf(seed, `last ${index}`) }));
      for (const { tellIt } of order.sort((a, b) => a.at - b.at)) await tellIt();
    },
    async close() {
      calming.abort();
      closed = abandoned = true;
      await Promise.allSettled([watching, ...underWay]);
      await database.close();
    },
  };
}
