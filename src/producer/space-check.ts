/**
 * Back-pressure: a full Redis refuses every write, those of the workers too, which then
 * cannot make space. So a list that does not fit is refused before its first room, and
 * where others fill Redis meanwhile, adding stops before it is full.
 */
import { ReaperError } from '../errors.js';
import type { QueueMemory } from '../queue/space.js';
import { count } from '../text.js';

/** Of `maxmemory`; the rest is for the workers, who write while rooms wait. */
const usableShare = 0.95;

/**
 * What a waiting room takes at the least, in bytes, until it has been measured: with
 * deploy/redis.conf and short RoomIds. Too low is safe, it is measured while adding.
 */
const leastRoomBytes = 600;

/** Above this it is not the room: others fill Redis at the same time. */
const mostRoomBytes = 1_500;

/** Rooms between two looks. */
const lookEvery = 10_000;

interface SpaceCheckOptions {
  readMemory: () => Promise<QueueMemory | undefined>;
  /**
   * Rooms to add, where that is known: they must all fit. Unknown for a batch that
   * continues (many of its rooms wait already) and for a list without an end: then the
   * next ten thousand must.
   */
  total?: number;
}

interface SpaceCheck {
  /** @throws ReaperError `NO_SPACE` where the rooms do not fit; none was added. */
  beforeFirst(): Promise<void>;
  /**
   * To be called before each chunk.
   *
   * @param settled - rooms that are on the queue or have ended.
   * @throws ReaperError `NO_SPACE` where the rest no longer fits.
   */
  beforeAdding(settled: number): Promise<void>;
}

export function createSpaceCheck({ readMemory, total }: SpaceCheckOptions): SpaceCheck {
  let first: { usedBytes: number; settled: number } | undefined;
  let lookedAt: number | undefined;

  async function look(settled: number): Promise<void> {
    const memory = await readMemory();
    if (memory === undefined) return;
    first ??= { usedBytes: memory.usedBytes, settled };
    const roomBytes = bytesOfARoom(memory.usedBytes - first.usedBytes, settled - first.settled);
    const wanted = total === undefined ? lookEvery : Math.max(0, total - settled);
    const space = Math.floor((memory.limitBytes * usableShare - memory.usedBytes) / roomBytes);
    if (wanted <= space) return;
    throw noSpace(memory, wanted, Math.max(0, space), settled);
  }

  return {
    beforeFirst: () => look(0),
    async beforeAdding(settled) {
      if (lookedAt !== undefined && settled - lookedAt < lookEvery) return;
      lookedAt = settled;
      await look(settled);
    },
  };
}

function bytesOfARoom(grownBytes: number, added: number): number {
  if (added < lookEvery) return leastRoomBytes;
  return Math.min(mostRoomBytes, Math.max(leastRoomBytes, grownBytes / added));
}

function noSpace(memory: QueueMemory, wanted: number, space: number, settled: number): ReaperError {
  const megabytes = Math.round(memory.limitBytes / 2 ** 20);
  const problem = `Redis must have space for ${count(wanted)} more rooms below its maxmemory of ${megabytes} MB, got space for about ${count(space)}`;
  if (settled === 0) {
    return new ReaperError(
      'NO_SPACE',
      `${problem}; nothing was added. Raise maxmemory, wait until rooms have been destroyed, or split the list`,
      { remedy: 'run_again_then' },
    );
  }
  return new ReaperError(
    'NO_SPACE',
    `${problem}; ${count(settled)} rooms are on the queue or done. Raise maxmemory, or wait until rooms have been destroyed`,
    { remedy: 'run_again_for_the_rest' },
  );
}
