import { hash } from 'node:crypto';

const FIRST_CAPACITY = 4_096; // A power of two.
const MOST_FULL = 0.75;
const WORDS = 4;

/**
 * A set of RoomIds in bounded memory: of each room 128 bits of its SHA-256, at most 43 bytes
 * a room (a Set of strings takes over 100, and makes the garbage collector walk them). Two
 * rooms with the same 128 bits do not happen: among a million by a chance of 1 in 10^26.
 *
 * The tables are never copied into a larger one: the copies would be garbage outside the
 * heap, which the collector is in no hurry to free. A full table stays, and the next one
 * has twice its capacity; few tables hold any number of rooms.
 */
export class RoomSet {
  readonly #full: DigestTable[] = [];
  #filling = new DigestTable(FIRST_CAPACITY);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a room; false when it was there already. */
  add(roomId: string): boolean {
    const binary = hash('sha256', roomId, 'binary');
    const digest: Digest = [
      wordOf(binary, 0) || 1, // 0 marks a free slot.
      wordOf(binary, 4),
      wordOf(binary, 8),
      wordOf(binary, 12),
    ];
    for (const table of this.#full) if (table.has(digest)) return false;
    if (!this.#filling.add(digest)) return false;
    this.#size += 1;
    if (this.#filling.isFull()) {
      this.#full.push(this.#filling);
      this.#filling = new DigestTable(2 * this.#filling.capacity);
    }
    return true;
  }
}

type Digest = readonly [number, number, number, number];

/** A hash table of digests with open addressing in one typed array. */
class DigestTable {
  readonly capacity: number;
  /** Slots of four words; a slot whose first word is 0 is free. */
  readonly #slots: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#slots = new Int32Array(capacity * WORDS);
  }

  isFull(): boolean {
    return this.#size >= this.capacity * MOST_FULL;
  }

  has(digest: Digest): boolean {
    return this.#slots[this.#find(digest)] !== 0;
  }

  /** False when it was there already. */
  add(digest: Digest): boolean {
    const at = this.#find(digest);
    if (this.#slots[at] !== 0) return false;
    this.#slots.set(digest, at);
    this.#size += 1;
    return true;
  }

  /** Where the digest is, or the free slot where it belongs. */
  #find([first, second, third, fourth]: Digest): number {
    const slots = this.#slots;
    const last = this.capacity - 1;
    for (let slot = first & last; ; slot = (slot + 1) & last) {
      const at = slot * WORDS;
      if (slots[at] === 0) return at;
      if (
        slots[at] === first &&
        slots[at + 1] === second &&
        slots[at + 2] === third &&
        slots[at + 3] === fourth
      ) {
        return at;
      }
    }
  }
}

/** Four characters of a binary digest as one 32-bit word. */
function wordOf(binary: string, from: number): number {
  return (
    binary.charCodeAt(from) |
    (binary.charCodeAt(from + 1) << 8) |
    (binary.charCodeAt(from + 2) << 16) |
    (binary.charCodeAt(from + 3) << 24)
  );
}
