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
  /** Created again once it is gone: whoever asks means the first one. */
  again: 'again-',
  /** Created again too, and then the new one is asked for. */
  twice: 'twice-',
} as const;

export type RoomKind = keyof typeof prefixes;

export function kindOf(roomId: string): RoomKind {
  for (const kind of ['ghost', 'refused', 'brief', 'again', 'twice'] as const) {
    if (roomId.startsWith(prefixes[kind])) return kind;
  }
  return 'usual';
}

/** How long after it was asked for a `brief` room may be destroyed, in hours. */
export const briefHours = 5 / 3600;

/** Whether only a room that was created by now is meant. */
export function isGuarded(roomId: string): boolean {
  return kindOf(roomId) === 'again' || kindOf(roomId) === 'twice';
}

export type Wave = { atMs: number; rooms: string[] } & (
  | { how: 'many'; urgent: boolean; delayMs: number; snapshot: boolean }
  | { how: 'one by one'; urgent: boolean; delayMs: number }
  /** Through the command line, as a named batch, which is guarded. */
  | { how: 'batch'; name: string; snapshot: boolean }
  /** Through the command line: what is not gone is asked for again. */
  | { how: 'replay'; name: string }
);

const kinds: readonly { below: number; kind: RoomKind }[] = [
  { below: 0.02, kind: 'ghost' },
  { below: 0.03, kind: 'refused' },
  { below: 0.06, kind: 'brief' },
  { below: 0.1, kind: 'again' },
  { below: 0.13, kind: 'twice' },
];

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
      const kind = kinds.find(({ below }) => chance < below)?.kind ?? 'usual';
      const roomId = `${prefixes[kind]}${String(made.length).padStart(5, '0')}`;
      made.push(roomId);
      return roomId;
    });
  }

  const many = { how: 'many', urgent: false, delayMs: 0, snapshot: false } as const;
  const read = Math.floor(first / 6);
  waves.push({ atMs: 0, rooms: make(first - read), ...many });
  waves.push({ atMs: 0, rooms: make(read), how: 'batch', name: 'batch', snapshot: true });
  for (let wave = 0; wave < count; wave++) {
    const atMs = wave * everyMs;
    const chance = random.next();
    const rooms = make(perWave);
    if (chance < 0.15) {
      waves.push({ atMs, rooms, ...many, delayMs: random.whole(500, 6_000) });
    } else if (chance < 0.25) {
      waves.push({ atMs, rooms, how: 'batch', name: `batch ${wave}`, snapshot: chance < 0.2 });
    } else {
      waves.push({ atMs, rooms, ...many, snapshot: chance < 0.35 });
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
  waves.push({ atMs: (count - 1) * everyMs, rooms: make(total), ...many });
  const asked = waves.filter(({ rooms }) => rooms.length > 0);
  return [...asked, { atMs: overMs * 0.6, rooms: [], how: 'replay', name: 'replay' }];
}
