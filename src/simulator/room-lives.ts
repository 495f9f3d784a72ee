import type { Room, Rooms } from './simulated-rooms.js';
import { hash32 } from './truth.js';

export interface LivesOptions {
  /** Rooms created while it runs, `created-000001` and so on; 0: none. */
  createPerSecond: number;
  /** The longest that a room lives, in seconds; 0: until it is destroyed. */
  endAfterSeconds: number;
  seed: number;
}

/** How often it is looked what is due. */
const tickMs = 100;

/**
 * Rooms that come and go without a request, as in an app that is in use.
 *
 * A room lives a part of `endAfterSeconds`, drawn from the seed, its id and how often it was
 * created; then the system ends it. What was there at the start lives from the start.
 */
export function createLives({ createPerSecond, endAfterSeconds, seed }: LivesOptions) {
  const startedAtMs = Date.now();
  /** By the tick they end in. A room that is destroyed before stays in it until then. */
  const ends = new Map<number, { room: Room; life: number }[]>();
  let lastTick = 0;
  let created = 0;
  let timer: NodeJS.Timeout | undefined;

  const tickNow = (): number => Math.floor((Date.now() - startedAtMs) / tickMs);

  function tick(rooms: Rooms): void {
    const now = tickNow();
    const due = Math.floor((now * tickMs * createPerSecond) / 1_000);
    const fresh = [];
    while (created < due) {
      const roomId = `created-${String(++created).padStart(6, '0')}`;
      fresh.push({ roomId, faults: [] });
    }
    rooms.add(fresh, Math.floor(Date.now() / 1_000));
    for (; lastTick <= now; lastTick++) {
      for (const { room, life } of ends.get(lastTick) ?? []) {
        if (room.life === life) rooms.end(room);
      }
      ends.delete(lastTick);
    }
  }

  return {
    /** A room begins to live. */
    begin(room: Room): void {
      if (endAfterSeconds === 0) return;
      const share = hash32(`${seed} life ${room.life} ${room.roomId}`) / 2 ** 32;
      const end = tickNow() + 1 + Math.floor((share * endAfterSeconds * 1_000) / tickMs);
      const place = ends.get(end);
      if (place === undefined) ends.set(end, [{ room, life: room.life }]);
      else place.push({ room, life: room.life });
    },
    start(rooms: Rooms): void {
      if (createPerSecond === 0 && endAfterSeconds === 0) return;
      timer = setInterval(tick, tickMs, rooms).unref();
    },
    stop: () => clearInterval(timer),
  };
}
