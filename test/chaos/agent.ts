/** Does what the schedule says, and undoes it when its time is over. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CountingServer, ScriptedAnswer } from '../support/counting-server.js';
import type { Proxy } from '../support/proxy.js';
import type { OwnServer } from '../support/server.js';
import { epochNow } from '../support/stalls.js';
import type { Fleet } from './fleet.js';
import type { Done } from './history.js';
import type { Deed, Link, Step } from './schedule.js';

export interface Stage {
  fleet: Fleet;
  api: CountingServer;
  redis: OwnServer;
  postgres: OwnServer;
  proxies: Record<Link, Proxy>;
}

/** What goes wrong at the API all the time, as a share of the requests. */
const always = 0.03;

/** Every way in which one request can fail, with its part of those that do. */
const ways: readonly { answer: ScriptedAnswer; part: number }[] = [
  { answer: { kind: 'status', status: 502 }, part: 2 },
  { answer: { kind: 'status', status: 502, acts: true }, part: 1 },
  { answer: { kind: 'code', code: 100001 }, part: 2 },
  { answer: { kind: 'cut', acts: true }, part: 2 },
  { answer: { kind: 'cut' }, part: 1 },
  { answer: { kind: 'hang', acts: true }, part: 1 },
  { answer: { kind: 'hang' }, part: 1 },
  { answer: { kind: 'garbage', acts: true }, part: 1 },
  { answer: { kind: 'garbage' }, part: 1 },
  { answer: { kind: 'noresponse' }, part: 1 },
  // While nobody has the connection, while a request waits on it, and when one was sent.
  { answer: { kind: 'twice', againMs: 0 }, part: 1 },
  { answer: { kind: 'twice', againMs: 40 }, part: 1 },
  { answer: { kind: 'twice', againMs: 260 }, part: 1 },
];

function mixed(share: number) {
  const parts = ways.reduce((sum, { part }) => sum + part, 0);
  return ways.map(({ answer, part }) => ({ answer, share: (share * part) / parts }));
}

function answersFor(deed: Extract<Deed, { kind: 'api faults' }>) {
  switch (deed.name) {
    case 'all 502':
      // In half of them the room is destroyed behind the gateway that failed.
      return [
        { answer: { kind: 'status', status: 502 } as const, share: deed.share / 2 },
        { answer: { kind: 'status', status: 502, acts: true } as const, share: deed.share / 2 },
      ];
    case 'all 100001':
      return [{ answer: { kind: 'code', code: 100001 } as const, share: deed.share }];
    case 'a fifth fails':
      return mixed(deed.share);
    default:
      return deed.name satisfies never;
  }
}

/** The commands that are asked before rooms are destroyed. */
const reads = ['get_room_info', 'get_room_stats'] as const;

export async function usualFaults({ api }: Stage, seed: number): Promise<void> {
  await api.setFaults({ seed, shares: mixed(always) });
  for (const [index, command] of reads.entries())
    await api.setFaults({ seed: seed + index + 1, shares: mixed(always) }, command);
}

export async function noFaults({ api }: Stage): Promise<void> {
  await api.setFaults(undefined);
  for (const command of reads) await api.setFaults(undefined, command);
}

/** Resolves when the last deed is over. @returns what was done, as it really went. */
export async function carryOut(
  steps: readonly Step[],
  stage: Stage,
  seed: number,
): Promise<Done[]> {
  const startedAt = performance.now();
  const done = await Promise.all(
    steps.map(async (step, index): Promise<Done> => {
      await sleep(Math.max(0, step.atMs - (performance.now() - startedAt)));
      const fromMs = epochNow();
      await carryOutOne(step, stage, seed + 1000 + index, () => usualFaults(stage, seed));
      return { fromMs, untilMs: epochNow(), deed: step.deed };
    }),
  );
  return done.sort((a, b) => a.fromMs - b.fromMs);
}

async function carryOutOne(
  { deed, forMs }: Step,
  { fleet, api, redis, postgres, proxies }: Stage,
  seed: number,
  back: () => Promise<void>,
): Promise<void> {
  switch (deed.kind) {
    case 'kill worker':
      return fleet.kill(deed.worker);
    case 'freeze worker':
      return fleet.freeze(deed.worker, forMs);
    case 'stop worker':
      return fleet.stop(deed.worker);
    case 'kill server': {
      const server = deed.server === 'redis' ? redis : postgres;
      await server.kill('SIGKILL');
      await sleep(forMs);
      return server.restart();
    }
    case 'freeze redis':
      await redis.kill('SIGSTOP');
      await sleep(forMs);
      return redis.kill('SIGCONT');
    case 'cut':
      return proxies[deed.link].cut();
    case 'forget':
      return proxies[deed.link].forget();
    case 'network':
      await proxies[deed.link].set(deed.fault);
      await sleep(forMs);
      return proxies[deed.link].set({ kind: 'none' });
    case 'api faults':
      await api.setFaults({ seed, shares: answersFor(deed) });
      await sleep(forMs);
      return back();
    case 'invalidate signatures':
      return api.invalidateSignatures();
    default:
      return deed satisfies never;
  }
}
