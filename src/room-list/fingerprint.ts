import { createHash } from 'node:crypto';

/**
 * SHA-256 over the valid RoomIds of a list in order, joined by newlines: the same rooms in
 * the same order have the same fingerprint, whatever the list's name and format.
 */
export class Fingerprint {
  readonly #hash = createHash('sha256');
  #empty = true;

  add(roomIds: readonly string[]): void {
    if (roomIds.length === 0) return;
    const joined = roomIds.join('\n');
    this.#hash.update(this.#empty ? joined : `\n${joined}`);
    this.#empty = false;
  }

  /** The hex digest; nothing can be added afterwards. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
