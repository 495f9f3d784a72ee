/**
 * Every arrival, and how many fell into the sliding window that ends with it.
 *
 * The window is half open: arrivals at t and t + windowMs are not in one window. The worst
 * window of all always ends with some arrival, so looking back at each arrival is exact.
 * A pointer to the oldest arrival still in the window makes that O(1) on average.
 *
 * The newest `keep` arrivals stay for plots (32 MB at the default); when they are full the
 * older half is dropped. Counts and the worst window cover the whole run nevertheless.
 */
export class Arrivals {
  readonly #windowMs: number;
  readonly #keep: number;
  #times = new Float64Array(1_024);
  #length = 0;
  #windowStart = 0;
  #count = 0;
  #worst = 0;
  #first: number | undefined;

  constructor(windowMs = 1_000, keep = 4_000_000) {
    this.#windowMs = windowMs;
    this.#keep = keep;
  }

  /** Takes an arrival at `now` (ms, never going back) and returns how many its window holds. */
  record(now: number): number {
    if (this.#length === this.#times.length) this.#makeRoom();
    this.#times[this.#length++] = now;
    this.#first ??= now;
    this.#count++;
    while (now - this.#at(this.#windowStart) >= this.#windowMs) this.#windowStart++;
    const inWindow = this.#length - this.#windowStart;
    if (inWindow > this.#worst) this.#worst = inWindow;
    return inWindow;
  }

  get count(): number {
    return this.#count;
  }

  /** Most arrivals in any sliding window. */
  get worstWindow(): number {
    return this.#worst;
  }

  /** From the first arrival to the last. */
  get spanMs(): number {
    return this.#first === undefined ? 0 : this.#at(this.#length - 1) - this.#first;
  }

  /** The newest arrivals, oldest first: ms since the first arrival of all. */
  times(): Float64Array {
    const first = this.#first ?? 0;
    return this.#times.slice(0, this.#length).map((time) => time - first);
  }

  #at(index: number): number {
    return this.#times[index] ?? 0;
  }

  #makeRoom(): void {
    const dropped = Math.floor(this.#length / 2);
    // What the current window still needs is never dropped.
    if (this.#length >= this.#keep && dropped <= this.#windowStart) {
      this.#times.copyWithin(0, dropped, this.#length);
      this.#length -= dropped;
      this.#windowStart -= dropped;
      return;
    }
    const larger = new Float64Array(this.#times.length * 2);
    larger.set(this.#times);
    this.#times = larger;
  }
}
