/**
 * The producer: for services that ask for rooms to be destroyed.
 *
 * @example
 * ```ts
 * import { openProducer } from 'room-reaper/producer';
 *
 * const producer = await openProducer({ queueUrl: 'redis://localhost', sdkAppId: 1400000001 });
 * await producer.destroy('live-room-42');
 * await producer.destroy('live-room-43', { delayMs: 30 * 60_000 });
 * await producer.cancel('live-room-43'); // somebody came back
 * await producer.destroyMany(roomIds);
 * await producer.close();
 * ```
 */
import { newId } from '../queue/destruction-id.js';
import type { Destruction } from '../destruction.js';
import { lanes } from '../queue/job.js';
import { openQueue } from '../queue/open.js';
import { readMemory } from '../queue/space.js';
import { openStores } from '../stores.js';
import { addChunk, addOrJoin, fromQueue, type Added } from './add.js';
import { addMany, type AddedCounts } from './add-many.js';
import { cancelRoom, type Cancelled } from './cancel.js';
import { roomIdProblem } from '../room-id.js';
import {
  checkProducerOptions,
  invalid,
  readDestroyOptions,
  readManyOptions,
  type BatchStatus,
  type DestroyManyOptions,
  type DestroyOptions,
  type ManyAdded,
  type ProducerOptions,
} from './options.js';
import { createSpaceCheck } from './space-check.js';

export { ReaperError, type ErrorCode } from '../errors.js';
export type { Added } from './add.js';
export type { Cancelled } from './cancel.js';
export type { TlsOptions } from '../tls-options.js';
export type {
  BatchStatus,
  DestroyManyOptions,
  DestroyOptions,
  ManyAdded,
  ProducerOptions,
} from './options.js';

export interface Producer {
  /**
   * Asks for one room to be destroyed.
   *
   * While an earlier request for the same room is pending no second one is made; the
   * pending one is brought forward where this one is more urgent. Once the earlier one
   * has ended, however it ended, this is a new destruction.
   *
   * @param roomId - 1–48 bytes of printable ASCII.
   * @throws ReaperError `INVALID` where the RoomId or an option is not valid or not known, `UNAVAILABLE`
   *   where the queue does not answer, `NO_SPACE` where Redis is full. It may have taken the room all
   *   the same, so ask again until it answers: while the first request is pending no second one is made.
   */
  destroy(roomId: string, options?: DestroyOptions): Promise<Added>;

  /**
   * Asks for many rooms to be destroyed, behind single rooms, in bounded memory.
   *
   * @param roomIds - any iterable or async iterable; read as fast as the queue takes them.
   * @throws ReaperError as `destroy` does, `NO_SPACE` also before Redis is full. Rooms before the one that failed are queued;
   *   asking again is safe, for they are recognised while they are pending. With `batch` also `CONFLICT` where
   *   the batch was cancelled meanwhile, and `UNAVAILABLE` where the ledger cannot be used.
   */
  destroyMany(
    roomIds: Iterable<string> | AsyncIterable<string>,
    options?: DestroyManyOptions,
  ): Promise<ManyAdded>;

  /**
   * Takes back what this or another producer, or a list, asked for and was not sent: somebody came
   * back to the room. The room can be asked for again at once.
   *
   * @returns `cancelled` where nothing will be sent, however long it had to wait. `in_hand` where a worker has it:
   *   one request may be under way, and the ledger says how it ended. `not_pending` where nothing waits for the
   *   room. A worker records it as `cancelled`, for reports and for a batch that waits for it.
   * @throws ReaperError `INVALID` where the RoomId is not valid, `UNAVAILABLE` where the queue does not answer: the
   *   room may be destroyed or not, so ask again until it answers. Asked again, what was taken back is `not_pending`.
   */
  cancel(roomId: string): Promise<Cancelled>;

  /**
   * How a batch stands, of this or another producer or of the command line. Needs a ledger (`databaseUrl`).
   *
   * @param idOrName - where several have the name, the one that has not ended.
   * @throws ReaperError `NOT_FOUND` where there is none, `AMBIGUOUS` where several are meant: give the id; `INVALID`
   *   without a ledger, `UNAVAILABLE` where that cannot be used.
   */
  batch(idOrName: string): Promise<BatchStatus>;

  close(): Promise<void>;
}

/**
 * Opens a producer.
 *
 * @throws ReaperError `INVALID` where an option is not valid, `UNAVAILABLE` where the queue cannot be reached.
 */
export async function openProducer(options: ProducerOptions): Promise<Producer> {
  checkProducerOptions(options);
  const { sdkAppId, deadlineHours = 24, queueUrl, prefix = 'bull' } = options;
  const { databaseUrl = queueUrl === 'embedded' ? queueUrl : undefined } = options;
  const stores = await openStores(
    {
      // Without a ledger nothing opens one.
      ...{ queueUrl, queuePrefix: prefix, databaseUrl: databaseUrl ?? queueUrl },
      dataDir: options.dataDir ?? '.room-reaper',
    },
    () => undefined,
    { tls: { queue: options.tls, ledger: options.databaseTls } },
  );
  const opened = await openQueue({
    sdkAppId,
    connection: stores.queue,
    failFast: true,
    isPatient: true,
    onError: options.onError ?? (() => undefined),
  }).catch(async (error: unknown) => {
    await stores.close();
    throw error;
  });

  const deadlineMs = deadlineHours * 3_600_000;

  let openingBatches: ReturnType<typeof openBatches> | undefined;
  /** The one look up to the operations, and only when it is first needed: it loads the ledger. */
  async function openBatches() {
    // oxlint-disable-next-line no-restricted-imports -- the one look up
    const { openBatchesOfService } = await import('../operations/batch-of-service.js');
    return openBatchesOfService(stores, opened, { sdkAppId, deadlineHours });
  }
  function batches() {
    if (databaseUrl === undefined) {
      throw invalid(
        'a batch must have a ledger that keeps it; give openProducer a databaseUrl, the DATABASE_URL of the workers',
      );
    }
    openingBatches ??= openBatches().catch((error: unknown) => {
      openingBatches = undefined;
      throw error;
    });
    return openingBatches;
  }

  return {
    async destroy(roomId, destroyOptions = {}) {
      const problem = problemOf(roomId);
      if (problem !== undefined) throw invalid(problem);
      const { delayMs, precautions } = readDestroyOptions(destroyOptions);
      const now = Date.now();
      const destruction: Destruction = {
        id: newId(),
        roomId,
        batchId: undefined,
        requestedAtMs: now,
        notAfterMs: Math.floor(now + delayMs + deadlineMs),
        ...precautions,
      };
      const lane = destroyOptions.urgent ? 'urgent' : 'normal';
      const wish = { destruction, priority: lanes[lane] };
      const { added } = await addOrJoin(opened, [wish], { lane, delayMs });
      if (added[0] === undefined) throw new Error('the queue returned nothing for the room');
      return added[0];
    },

    async destroyMany(roomIds, manyOptions = {}) {
      if (typeof roomIds === 'string') {
        throw invalid(
          'roomIds must be an iterable of RoomIds, got one string; use destroy for a single room',
        );
      }
      if (!isIterable(roomIds)) {
        throw invalid(`roomIds must be an iterable of RoomIds, got ${typeof roomIds}`);
      }
      const { delayMs, precautions } = readManyOptions(manyOptions);
      const { batch, by = 'a service', note, onInvalid, onProgress } = manyOptions;
      const lane = manyOptions.urgent ? 'urgent' : 'bulk';
      const notBeforeMs = delayMs > 0 ? Date.now() + delayMs : undefined;
      if (batch !== undefined) {
        const asked = { rooms: roomIds, name: batch, by, note, lane, notBeforeMs } as const;
        return (await batches()).add({
          ...{ ...asked, precautions, problemOf, onInvalid, onProgress },
        });
      }
      let [requested, refused] = [0, 0];
      const space = createSpaceCheck({ readMemory: () => fromQueue(readMemory(opened.queue)) });

      async function* chunks(): AsyncGenerator<string[]> {
        let chunk: string[] = [];
        for await (const roomId of roomIds) {
          requested += 1;
          const problem = problemOf(roomId);
          if (problem === undefined) {
            chunk.push(roomId);
            if (chunk.length < addChunk) continue;
            yield chunk;
            chunk = [];
          } else if (onInvalid) {
            refused += 1;
            onInvalid(roomId, problem);
          } else {
            if (chunk.length > 0) yield chunk;
            throw invalid(problem);
          }
        }
        if (chunk.length > 0) yield chunk;
      }
      const withAdded = ({ added, pending }: AddedCounts) => ({
        ...{ requested, added, pending, invalid: refused },
      });

      return withAdded(
        await addMany(opened, chunks(), {
          ...{ lane, notBeforeMs, deadlineMs },
          batchId: undefined,
          idOf: newId,
          precautionsOf: () => precautions,
          beforeAdding: (settled) => space.beforeAdding(settled),
          onProgress: (counts) => onProgress?.(withAdded(counts)),
        }),
      );
    },

    async cancel(roomId) {
      const problem = problemOf(roomId);
      if (problem !== undefined) throw invalid(problem);
      return cancelRoom(opened, roomId);
    },

    async batch(idOrName) {
      if (typeof idOrName !== 'string' || idOrName === '') {
        throw invalid('batch must be the id or name of a batch');
      }
      return (await batches()).read(idOrName);
    },

    async close() {
      await (await openingBatches?.catch(() => undefined))?.close();
      await opened.close();
      await stores.close();
    },
  };
}

/** Callers without types pass anything. */
function problemOf(roomId: unknown): string | undefined {
  if (typeof roomId !== 'string') return `RoomId must be a string, got ${typeof roomId}`;
  return roomIdProblem(roomId);
}

function isIterable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}
