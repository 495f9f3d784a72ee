/**
 * Counts `random` values that were used again within the last `recent` requests.
 *
 * The API asks for a new one each time. Only recent ones are remembered: two honest 32-bit
 * values meet by chance about once in 2^32 / recent requests.
 */
export function createRepeatedRandoms(recent = 1_000) {
  const ring = new Uint32Array(recent);
  const known = new Set<number>();
  let requests = 0;
  let repeated = 0;
  return {
    record(random: number): void {
      if (known.has(random)) {
        repeated++;
        return;
      }
      const place = requests % ring.length;
      if (requests >= ring.length) known.delete(ring[place] ?? 0);
      ring[place] = random;
      known.add(random);
      requests++;
    },
    count: () => repeated,
  };
}
