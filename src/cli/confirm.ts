import { createInterface } from 'node:readline/promises';
import { ReaperError } from '../errors.js';
import { count } from './text.js';
import type { Io } from './io.js';

/**
 * Asks a person to type a number, so that nobody agrees without having read it.
 *
 * @param question - such as `destroy 2,000 rooms for good?`
 * @param refusal - what to say where nobody can be asked.
 * @throws ReaperError `USAGE` where it is not confirmed.
 */
export async function confirmNumber(
  number: number,
  question: string,
  refusal: string,
  io: Io,
): Promise<void> {
  if (!io.stdin.isTTY || !io.stderr.isTTY) throw new ReaperError('USAGE', refusal);
  const prompt = createInterface({ input: io.stdin, output: io.stderr });
  try {
    const answer = await prompt.question(`${question} Type ${count(number)} to go on: `);
    if (answer.replace(/[,\s]/g, '') === String(number)) return;
    throw new ReaperError('USAGE', 'not confirmed; nothing was done');
  } finally {
    prompt.close();
  }
}
