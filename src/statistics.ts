/**
 * The final statistics of a room, given once, by the answer that destroyed it.
 * bigint: coins can exceed 2³¹, and nothing promises that sums stay below 2⁵³.
 */
export interface Statistics {
  totalViewers: bigint;
  totalGiftsSent: bigint;
  totalGiftCoins: bigint;
  totalUniqueGiftSenders: bigint;
  totalLikesReceived: bigint;
}
