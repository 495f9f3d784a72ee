import { invalid } from '../errors.js';
import { printable } from '../redact.js';
import { isShare } from './faults.js';
import { hash32, type Life } from './truth.js';

const faultNames = ['lost', 'late', 'twice', 'no-statistics'] as const;

/** Each fault with the share of the callbacks that meet it, from 0 to 1. */
export type WebhookShares = Record<(typeof faultNames)[number], number>;

/** What becomes of one callback. */
export interface Fate {
  /** It is never sent. */
  lost: boolean;
  delayMs: number;
  twice: boolean;
  withStatistic: boolean;
}

/**
 * Reads `lost=0.1`; of one fault that is named again the last counts.
 *
 * @throws ReaperError `INVALID` for the first that is wrong.
 */
export function readWebhookFaults(specs: readonly string[]): WebhookShares {
  const shares: WebhookShares = { lost: 0, late: 0, twice: 0, 'no-statistics': 0 };
  for (const spec of specs) {
    const [name, share = '', ...rest] = spec.split('=');
    const fault = faultNames.find((each) => each === name);
    if (fault === undefined || rest.length > 0 || !isShare(share)) {
      const known = faultNames.join(', ');
      const rule = `one of ${known}, with =SHARE of more than 0 and at most 1`;
      throw invalid(`webhook fault must be ${rule}, got "${printable(spec)}"; correct it`);
    }
    shares[fault] = Number(share);
  }
  return shares;
}

/**
 * Drawn from the seed, the room and how often it was created: the same whatever the order in
 * which rooms go.
 *
 * @param latestMs - the longest that a late callback is late; it is so by a twentieth at least.
 */
export function fateOf(shares: WebhookShares, room: Life, seed: number, latestMs: number): Fate {
  const draw = (what: string) => hash32(`${seed} ${what} ${room.life} ${room.roomId}`) / 2 ** 32;
  const isLate = draw('late') < shares.late;
  return {
    lost: draw('lost') < shares.lost,
    delayMs: isLate ? latestMs * (0.05 + 0.95 * draw('how late')) : 0,
    twice: draw('twice') < shares.twice,
    withStatistic: draw('no-statistics') >= shares['no-statistics'],
  };
}
