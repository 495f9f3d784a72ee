import type { RoomListEntry } from './entry.js';

/** Gathers entries into arrays of one size: iterating asynchronously over single rooms is slow. */
export class EntryBatches {
  readonly #batchSize: number;
  #filling: RoomListEntry[] = [];
  #full: RoomListEntry[][] = [];

  constructor(batchSize: number) {
    this.#batchSize = batchSize;
  }

  room(line: number, roomId: string): void {
    this.#add({ line, roomId });
  }

  problem(line: number, problem: string): void {
    this.#add({ line, at: `line ${line}`, problem });
  }

  /** Hands over the full batches gathered since the last call. */
  takeFull(): RoomListEntry[][] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** Hands over what is left at the end of the list. */
  takeRest(): RoomListEntry[][] {
    const rest = this.takeFull();
    if (this.#filling.length > 0) rest.push(this.#filling);
    this.#filling = [];
    return rest;
  }

  #add(entry: RoomListEntry): void {
    this.#filling.push(entry);
    if (this.#filling.length < this.#batchSize) return;
    this.#full.push(this.#filling);
    this.#filling = [];
  }
}
