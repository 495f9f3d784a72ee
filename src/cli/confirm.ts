import { createInterface } from 'node:readline/promises';
import { ReaperError } from '../errors.js';
import { count } from '../text.js';
import type { Io } from './io.js';

/**
 * Asks a person to type a number, so that nobody agrees without having read it.
 *
 * @param question - such as `destroy 2,000 rooms for good?`
 * @param refusal - what to say where nobody can be asked.
 * @throws ReaperError `REFUSED` where it is not confirmed.
 */
export async function confirmNumber(
  number: number,
  question: string,
  refusal: string,
  io: Io,
): Promise<void> {
  const answer = await ask(`${question} Type ${count(number)} to go on: `, refusal, io);
  if (answer.replace(/[,\s]/g, '') !== String(number))
    throw new ReaperError('REFUSED', 'not confirmed; nothing was done');
}

/** Somebody was asked, and ended it with Ctrl-C or Ctrl-D. */
export class Declined extends Error {
  override readonly name = 'Declined';
}

/**
 * Asks a person.
 *
 * @param refusal - what to say where nobody can be asked.
 * @throws ReaperError `REFUSED` where nobody can be asked.
 * @throws Declined where there is no answer.
 */
export async function ask(question: string, refusal: string, io: Io): Promise<string> {
  if (!io.stdin.isTTY || !io.stderr.isTTY) throw new ReaperError('REFUSED', refusal);
  const prompt = createInterface({ input: io.stdin, output: io.stderr });
  // Some versions of Node say it with an error, others only close.
  const closed = new Promise<undefined>((resolve) => {
    // An answer that came just before counts.
    prompt.once('close', () => setImmediate(() => resolve(undefined)));
  });
  const answered = prompt.question(question).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ABORT_ERR') return undefined;
    throw error;
  });
  try {
    const answer = await Promise.race([answered, closed]);
    if (answer !== undefined) return answer;
    io.stderr.write('\n');
    throw new Declined('nothing was done');
  } finally {
    prompt.close();
  }
}
