import type { ReadCommand } from './check-request.js';
import type { TrafficReport } from './traffic.js';
import type { Statistic } from './truth.js';
import type { WebhookReport } from './webhook.js';

/** What a simulator has seen since it was started. All but `commands` is about destroy_room. */
export interface SimulatorReport extends TrafficReport {
  /** From the first arrival to the last. */
  seconds: number;
  /** `ended`: by the system. */
  rooms: { destroyed: number; ended: number; left: number };
  /** Requests that named a room which an earlier one had destroyed. */
  requestsForDestroyedRooms: number;
  /** Requests whose `random` was used within the last 1,000 requests. */
  repeatedRandoms: number;
  /** Sums over the destroyed rooms: the truth, whether or not it was told. */
  statistics: Statistic;
  /** The same over the rooms that the system ended. */
  endedStatistics: Statistic;
  /** The commands that read, each with a quota of its own. */
  commands: Record<ReadCommand, TrafficReport>;
  /** Callbacks of the rooms that went; absent without a webhook. */
  webhook?: WebhookReport;
}

/** The report for people: one line a fact. */
export function formatReport(report: SimulatorReport): string {
  const codes = Object.entries(report.codes).map(([word, count]) => `${word} × ${count}`);
  const statistics = Object.entries(report.statistics).map(([name, sum]) => `${name} ${sum}`);
  const ended = report.rooms.ended > 0 ? `${report.rooms.ended} ended by the system, ` : '';
  const facts: [string, string][] = [
    ['requests', `${report.requests} in ${report.seconds.toFixed(1)} s`],
    ['worst sliding second', `${report.worstWindow} requests, ${report.overQuota} over quota`],
    ['answers', codes.join(', ') || 'none'],
    ['rooms', `${report.rooms.destroyed} destroyed, ${ended}${report.rooms.left} left`],
    ['for destroyed rooms', `${report.requestsForDestroyedRooms} requests`],
    ['repeated random', `${report.repeatedRandoms} requests`],
    ['statistics', statistics.join(', ')],
    ...Object.entries(report.commands)
      .filter(([, { requests }]) => requests > 0)
      .map(([command, traffic]): [string, string] => [command, sayTraffic(traffic)]),
  ];
  if (report.webhook !== undefined) facts.push(['webhook', sayWebhook(report.webhook)]);
  return facts.map(([name, fact]) => `${name.padEnd(22)}${fact}\n`).join('');
}

function sayTraffic({ requests, worstWindow, overQuota }: TrafficReport): string {
  return `${requests} requests, ${worstWindow} in the worst sliding second, ${overQuota} over quota`;
}

function sayWebhook({ posts, taken, lost, refused, givenUp, dropped, waiting }: WebhookReport) {
  const others = { lost, refused, 'given up': givenUp, dropped, waiting };
  const said = Object.entries(others).flatMap(([word, count]) =>
    count > 0 ? [`, ${count} ${word}`] : [],
  );
  return `${taken} callbacks taken in ${posts} posts${said.join('')}`;
}
