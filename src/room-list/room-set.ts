import { hash } from 'node:crypto';

const firstCapacity = 4_096; // A power of two.
const mostFull = 0.75;
const words = 4;

export interface RoomSet {
  readonly size: number;
  /** Adds a room; false when it was there already. */
  add(roomId: string): boolean;
}

/**
 * A set of RoomIds in bounded memory: of each room 128 bits of its SHA-256, at most 43 bytes
 * a room (a Set of strings takes over 100, and makes the garbage collector walk them). Two
 * rooms with the same 128 bits do not happen: among a million by a chance of 1 in 10^26.
 *
 * The tables are never copied into a larger one: the copies would be garbage outside the
 * heap, which the collector is in no hurry to free. A full table stays, and the next one
 * has twice its capacity; few tables hold any number of rooms.
 */
export function createRoomSet(): RoomSet {
  const full: DigestTable[] = [];
  let filling = createDigestTable(firstCapacity);
  let size = 0;
  return {
    get size() {
      return size;
    },
    add(roomId) {
      const binary = hash('sha256', roomId, 'binary');
      const digest: Digest = [
        wordOf(binary, 0) || 1, // 0 marks a free slot.
        wordOf(binary, 4),
        wordOf(binary, 8),
        wordOf(binary, 12),
      ];
      for (const table of full) if (table.has(digest)) return false;
      if (!filling.add(digest)) return false;
      size += 1;
      if (filling.isFull()) {
        full.push(filling);
        filling = createDigestTable(2 * filling.capacity);
      }
      return true;
    },
  };
}

type Digest = readonly [number, number, number, number];

interface DigestTable {
  readonly capacity: number;
  isFull(): boolean;
  has(digest: Digest): boolean;
  /** False when it was there already. */
  add(digest: Digest): boolean;
}

/** A hash table of digests with open addressing in one typed array. */
function createDigestTable(capacity: number): DigestTable {
  /** Slots of four words; a slot whose first word is 0 is free. */
  const slots = new Int32Array(capacity * words);
  let size = 0;

  /** Where the digest is, or the free slot where it belongs. */
  function find([first, second, third, fourth]: Digest): number {
    const last = capacity - 1;
    for (let slot = first & last; ; slot = (slot + 1) & last) {
      const at = slot * words;
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

  return {
    capacity,
    isFull: () => size >= capacity * mostFull,
    has: (digest) => slots[find(digest)] !== 0,
    add(digest) {
      const at = find(digest);
      if (slots[at] !== 0) return false;
      slots.set(digest, at);
      size += 1;
      return true;
    },
  };
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
