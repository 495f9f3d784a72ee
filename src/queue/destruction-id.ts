/** Ids of destructions: UUIDv7 texts, which are also the BullMQ job ids. */
import { hash } from 'node:crypto';
import { v7, validate, version } from 'uuid';

/** An id that was never used before. */
export function newId(): string {
  return v7();
}

/** Whether a text has the form of such an id; a RoomId can have it too. */
export function isDestructionId(text: string): boolean {
  return validate(text) && version(text) === 7;
}

/**
 * The id of one room's destruction in one batch: the same whenever it is computed, so
 * that putting a batch on the queue again, after an interruption, adds nothing twice.
 *
 * @param batchCreatedAtMs - the time in the UUID, milliseconds since the epoch.
 */
export function batchDestructionId(
  batchId: string,
  batchCreatedAtMs: number,
  roomId: string,
): string {
  const random = hash('sha256', `${batchId}\0${roomId}`, 'buffer');
  return v7({
    msecs: batchCreatedAtMs,
    random: random.subarray(0, 16),
    seq: random.readUInt32BE(16),
  });
}

/** Whether this is the id that the room has in the batch. */
export function isOfBatch(id: string, batchId: string, roomId: string): boolean {
  const createdAtMs = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  return id === batchDestructionId(batchId, createdAtMs, roomId);
}

/** What the ids of all destructions of a batch begin with: its time. Batches of one millisecond share it. */
export function batchIdPrefix(batchCreatedAtMs: number): string {
  const hex = Math.floor(batchCreatedAtMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
