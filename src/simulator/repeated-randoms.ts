/**
 * Counts `random` values that were used again within the last `recent` requests.
 *
 * The API asks for a new one each time. Only recent ones are remembered: two honest 32-bit
 * values meet by chance about once in 2^32 / recent requests.
 */
export class RepeatedRandoms {
  readonly #ring: Uint32Array;
  readonly #known = new Set<number>();
  #requests = 0;
  #repeated = 0;

  constructor(recent = 1_000) {
    this.#ring = new Uint32Array(recent);
  }

  record(random: number): void {
    if (this.#known.has(random)) {
      this.#repeated++;
      return;
    }
    const place = this.#requests % this.#ring.length;
    if (this.#requests >= this.#ring.length) this.#known.delete(this.#ring[place] ?? 0);
    this.#ring[place] = random;
    this.#known.add(random);
    this.#requests++;
  }

  get count(): number {
    return this.#repeated;
  }
}
