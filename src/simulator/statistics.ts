import { hash32 } from './hash.js';

/** `Response.Statistic` of destroy_room, in the API's own names. */
export interface Statistic {
  TotalViewers: number;
  TotalGiftsSent: number;
  TotalGiftCoins: number;
  TotalUniqueGiftSenders: number;
  TotalLikesReceived: number;
}

export function noStatistics(): Statistic {
  return {
    TotalViewers: 0,
    TotalGiftsSent: 0,
    TotalGiftCoins: 0,
    TotalUniqueGiftSenders: 0,
    TotalLikesReceived: 0,
  };
}

/**
 * The truth about a simulated room: a function of its RoomId alone, so that a test or a
 * benchmark can say what must have been saved without asking the simulator.
 *
 * About half of the rooms have more than 2^31 likes and some have more than 2^32 coins,
 * so that a 32-bit column or parser shows itself.
 */
export function statisticsOf(roomId: string): Statistic {
  const viewers = hash32(roomId, 1) % 100_000;
  const gifts = hash32(roomId, 2) % 10_000;
  const price = hash32(roomId, 3);
  return {
    TotalViewers: viewers,
    TotalGiftsSent: gifts,
    TotalGiftCoins: gifts * (1 + (price % 1_000)) * (price % 16 === 0 ? 1_000 : 1),
    TotalUniqueGiftSenders: hash32(roomId, 4) % (Math.min(gifts, viewers) + 1),
    TotalLikesReceived: hash32(roomId, 5),
  };
}

/** Adds `more` to `sum` in place. */
export function addStatistics(sum: Statistic, more: Statistic): void {
  sum.TotalViewers += more.TotalViewers;
  sum.TotalGiftsSent += more.TotalGiftsSent;
  sum.TotalGiftCoins += more.TotalGiftCoins;
  sum.TotalUniqueGiftSenders += more.TotalUniqueGiftSenders;
  sum.TotalLikesReceived += more.TotalLikesReceived;
}
