/** So many at once, and no more: each of them costs memory and the ledger's time. */
import { HttpProblem } from './problem.js';

/**
 * @returns takes a place, and gives back what frees it again.
 * @throws HttpProblem 429 where none is free.
 */
export function createPlaces(most: number, what: string): () => () => void {
  let taken = 0;
  return () => {
    if (taken >= most) {
      throw new HttpProblem('TOO_MANY', `there must be at most ${most} ${what} at once`, {
        remedy: 'try again in a moment',
        headers: { 'Retry-After': '5' },
      });
    }
    taken += 1;
    let isMine = true;
    return () => {
      if (isMine) taken -= 1;
      isMine = false;
    };
  };
}
