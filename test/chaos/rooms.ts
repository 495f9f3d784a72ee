/** Which rooms are asked for, when and how: a pure function of the seed. */
import { createRandom } from './random.js';

/** RoomIds that begin so are special to the API, or to the producer. */
export const prefixes = {
  usual: 'room ',
  /** Never existed. */
  ghost: 'ghost:',
  /** 100006, for good. */
  refused: 'refused/',
  /** Asked for with a deadline of a few seconds. */
  brief: 'brief-',
} as const;

export type RoomKind = keyof typeof prefixes;

export function kindOf(roomId: string): RoomKind {
  for (const kind of ['ghost', 'refused', 'brief'] as const) {
    if (roomId.startsWith(prefixes[kind])) return kind;
  }
  return 'usual';
}

/** How long after it was asked for a `brief` room may be destroyed, in hours. */
export const briefHours = 5 / 3600;

export type Wave = { atMs: number; rooms: string[] } & (
  | { how: 'many'; urgent: boolean; delayMs: number }
  | { how: 'one by one'; urgent: boolean; delayMs: number }
  /** Through the command line, as a named batch. */
  | { how: 'batch'; name: string }
);

/** Between one wave and the next, in milliseconds. */
const everyMs = 600;

/** @param total - rooms, each new; some waves ask for earlier rooms again on top. */
export function makeWaves(seed: number, total: number, overMs: number): Wave[] {
  const random = createRandom(seed + 1);
  const count = Math.max(1, Math.floor(overMs / everyMs));
  const waves: Wave[] = [];
  const made: string[] = [];
  // Half of them at the start: there is a backlog until nearly the end.
  const first = Math.floor(total / 2);
  const perWave = Math.ceil((total - first) / count);

  function make(amount: number): string[] {
    return Array.from({ length: Math.min(amount, total - made.length) }, () => {
      const chance = random.next();
      const kind: RoomKind =
        chance < 0.02 ? 'ghost' : chance < 0.03 ? 'refused' : chance < 0.05 ? 'brief' : 'usual';
      const roomId = `${prefixes[kind]}${String(made.length).padStart(5, '0')}`;
      made.push(roomId);
      return roomId;
    });
  }

  waves.push({ atMs: 0, rooms: make(first), how: 'many', urgent: false, delayMs: 0 });
  for (let wave = 0; wave < count; wave++) {
    const atMs = wave * everyMs;
    const chance = random.next();
    const rooms = make(perWave);
    if (chance < 0.15) {
      waves.push({ atMs, rooms, how: 'many', urgent: false, delayMs: random.whole(500, 6_000) });
    } else if (chance < 0.25) {
      waves.push({ atMs, rooms, how: 'batch', name: `batch ${wave}` });
    } else {
      waves.push({ atMs, rooms, how: 'many', urgent: false, delayMs: 0 });
    }
    const singles = make(2);
    waves.push({
      atMs,
      // Some are pending still, some have ended: asking again must do no harm in either case.
      rooms: [...singles, ...random.shuffled(made).slice(0, 2)],
      how: 'one by one',
      urgent: random.next() < 0.5,
      delayMs: random.next() < 0.2 ? random.whole(200, 3_000) : 0,
    });
  }
  waves.push({
    atMs: (count - 1) * everyMs,
    rooms: make(total),
    how: 'many',
    urgent: false,
    delayMs: 0,
  });
  return waves.filter(({ rooms }) => rooms.length > 0);
}
