import type { Statistic } from './truth.js';

/** What a simulator has seen since it was started. */
export interface SimulatorReport {
  /** Every request that arrived, refused ones included. */
  requests: number;
  /** Most requests that arrived in any sliding 1,000 ms. */
  worstWindow: number;
  /** From the first arrival to the last. */
  seconds: number;
  /** Requests that were over the quota (answered 60007; faults of that code not counted). */
  overQuota: number;
  /** Requests by ErrorCode, HTTP status or fault word; `aborted`: the sender left before its body was read. */
  codes: Record<string, number>;
  rooms: { destroyed: number; left: number };
  /** Requests that named a room which an earlier one had destroyed. */
  requestsForDestroyedRooms: number;
  /** Requests whose `random` was used within the last 1,000 requests. */
  repeatedRandoms: number;
  /** Sums over the destroyed rooms: the truth, whether or not it was told. */
  statistics: Statistic;
  /** Requests for get_room_info, which nothing above counts. */
  roomInfoRequests: number;
}

/** The report for people: one line a fact. */
export function formatReport(report: SimulatorReport): string {
  const codes = Object.entries(report.codes).map(([word, count]) => `${word} × ${count}`);
  const statistics = Object.entries(report.statistics).map(([name, sum]) => `${name} ${sum}`);
  const facts: [string, string][] = [
    ['requests', `${report.requests} in ${report.seconds.toFixed(1)} s`],
    ['worst sliding second', `${report.worstWindow} requests, ${report.overQuota} over quota`],
    ['answers', codes.join(', ') || 'none'],
    ['rooms', `${report.rooms.destroyed} destroyed, ${report.rooms.left} left`],
    ['for destroyed rooms', `${report.requestsForDestroyedRooms} requests`],
    ['repeated random', `${report.repeatedRandoms} requests`],
    ['statistics', statistics.join(', ')],
  ];
  return facts.map(([name, fact]) => `${name.padEnd(22)}${fact}\n`).join('');
}
