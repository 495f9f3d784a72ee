/** One of a few words, as a user writes it. */
import { invalid } from './errors.js';
import { printable } from './redact.js';

/**
 * @param named - how the user calls it: `--format`.
 * @throws ReaperError `INVALID` where it is none of them.
 */
export function readOneOf<Word extends string>(
  named: string,
  words: readonly Word[],
  text: string,
): Word {
  const word = words.find((each) => each === text);
  if (word !== undefined) return word;
  const all = `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
  throw invalid(`${named} must be ${all}, got ${printable(JSON.stringify(text))}`);
}
