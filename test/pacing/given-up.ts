/**
 * Slots that workers were granted and could not use in time, because the machine did not run
 * them then. On a busy machine these are what is missing to the quota, through no fault of
 * the limiter: bench/pacing.ts measures what arrives, on a machine that is known.
 *
 * @param outputs - what each worker said on stderr, at log level info.
 */
export function slotsGivenUp(outputs: readonly string[]): number {
  return outputs.reduce((sum, output) => {
    const last = output.split('\n').find((line) => line.includes('"msg":"worker stopped"'));
    if (last === undefined) throw new Error(`a worker did not say what it did:\n${output}`);
    return sum + (JSON.parse(last) as { givenUp: number }).givenUp;
  }, 0);
}
