import { createHash } from 'node:crypto';
import type { ScriptedAnswer } from './counting-server.js';

/** Faults by chance: each answer with its share of the requests, from 0 to 1. */
export interface FaultShares {
  seed: number;
  shares: readonly { answer: ScriptedAnswer; share: number }[];
}

/**
 * Which request meets which fault is a function of the seed, the room, and how often the
 * room was asked for before: not of the order in which requests of many rooms arrive.
 */
export function faultFor(
  { seed, shares }: FaultShares,
  roomId: string,
  before: number,
): ScriptedAnswer | undefined {
  const digest = createHash('sha256').update(`${seed} ${before} ${roomId}`).digest();
  let left = digest.readUInt32BE(0) / 2 ** 32;
  for (const { answer, share } of shares) {
    if (left < share) return answer;
    left -= share;
  }
  return undefined;
}
