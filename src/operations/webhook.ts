/** What the API tells of rooms that end: it is written down, and fills statistics that were lost. */
import type { RoomEvent } from '../destruction.js';
import { ReaperError } from '../errors.js';
import { gather } from '../ledger/gather.js';
import { takeRoomEvents, type TakenEvent } from '../ledger/room-events.js';
import { isPassing } from '../passing.js';
import { isSigned, readCallback, roomEnded } from '../tencent/callback.js';
import { TooSlow, within } from '../time-limit.js';
import type { Service } from './service.js';

export { isSigned, readCallback, roomEnded, type RoomEvent, type TakenEvent };

export interface RoomEventTaker {
  /**
   * Returns when the event is durable, with all that follows from it.
   *
   * @throws ReaperError `UNAVAILABLE` where the ledger does not take it in time: it may come again,
   *   and may have been taken all the same.
   */
  take(event: RoomEvent): Promise<TakenEvent>;
}

/** How long whoever tells of an event is kept waiting, in milliseconds: the API waits two seconds. */
const longestMs = 1_800;

/** Events of one statement, and how often one begins, in milliseconds: 200 rooms may end in a second. */
const group = { maximum: 200, everyMs: 25, enough: 50 };

/** Events that wait at once: more than come in the time that one is waited for. */
const mostWaiting = 1_000;

/** Events that come at once are written by one statement. */
export function takeEvents({
  database,
  config,
}: Pick<Service, 'database' | 'config'>): RoomEventTaker {
  let waiting = 0;
  const events = gather<RoomEvent, TakenEvent>(
    (items) => takeRoomEvents(database, config.sdkAppId, items),
    { ...group, isPassing },
  );
  async function write(event: RoomEvent): Promise<TakenEvent> {
    waiting += 1;
    try {
      return await events.add(event);
    } finally {
      waiting -= 1;
    }
  }
  return {
    async take(event) {
      if (waiting >= mostWaiting) throw tooSlow();
      try {
        return await within(longestMs, write(event));
      } catch (error) {
        throw error instanceof TooSlow ? tooSlow() : error;
      }
    },
  };
}

function tooSlow(): ReaperError {
  return new ReaperError(
    'UNAVAILABLE',
    'the ledger must take an event within two seconds; send it again',
  );
}
