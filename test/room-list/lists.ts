import { type ReadRoomListOptions, readRoomList } from '../../src/room-list/read-room-list.js';
import type { RoomList, RoomListEntry } from '../../src/room-list/room-list.js';

// oxlint-disable-next-line typescript/require-await -- stands for a stream
export async function* chunksOf(...chunks: (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** A list in memory, in place of a file. */
export function listIn(text: Uint8Array | string, options: ReadRoomListOptions = {}): RoomList {
  return {
    name: 'a list',
    entries: (onLayout) => readRoomList(chunksOf(text), { ...options, onLayout }),
    close: () => Promise.resolve(),
  };
}

export async function all<T>(batches: AsyncIterable<T[]>): Promise<T[]> {
  const items: T[] = [];
  for await (const batch of batches) items.push(...batch);
  return items;
}

/** Entries in short: `3 room` or `line 4: problem`. */
export function inShort(entry: RoomListEntry): string {
  return 'roomId' in entry ? `${entry.position} ${entry.roomId}` : `${entry.at}: ${entry.problem}`;
}

export async function read(
  text: Uint8Array | string,
  options: ReadRoomListOptions = {},
): Promise<string[]> {
  return (await all(readRoomList(chunksOf(text), options))).map(inShort);
}
