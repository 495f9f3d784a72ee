/**
 * Where the API lives.
 * Source: https://trtc.io/document/63398 (hosts by region).
 */
const hosts = {
  china: 'console.tim.qq.com',
  singapore: 'adminapisgp.im.qcloud.com',
  usa: 'adminapiusa.im.qcloud.com',
  jakarta: 'adminapiidn.im.qcloud.com',
} as const;

export type Region = keyof typeof hosts;

export const regions = Object.keys(hosts) as readonly Region[];

export function isRegion(text: string): text is Region {
  return Object.hasOwn(hosts, text);
}

/** Base URL of a region's API. */
export function regionEndpoint(region: Region): string {
  return `https://${hosts[region]}`;
}

/** The region whose API is at a base URL; undefined: it is an endpoint of the user's own. */
export function regionOf(endpoint: string): Region | undefined {
  return regions.find((region) => regionEndpoint(region) === endpoint);
}

/** The host of a base URL: a name, or an address without brackets. */
export function hostOf(endpoint: string): string {
  return new URL(endpoint).hostname.replace(/^\[(.*)\]$/, '$1');
}

/** The command that destroys; part of the key of the limiter's row, because quotas are per command. */
export const destroyRoomCommand = 'v4/live_engine_http_srv/destroy_room';

/**
 * The commands that only read, each with a quota of its own.
 *
 * - get_room_info says of one room when it was created; `doctor` tries a signature with it.
 *   200 a second. Source: https://trtc.io/document/63404
 * - get_room_stats tells the totals of a room that is live. 100 a second.
 *   Source: https://trtc.io/document/80421
 * - get_room_list lists the rooms that are live, 20 a page. 10 a second.
 *   Source: https://www.tencentcloud.com/document/product/1071/76888
 */
export const roomInfoCommand = 'v4/live_engine_http_srv/get_room_info';
export const roomStatsCommand = 'v4/live_engine_http_srv/get_room_stats';
export const roomListCommand = 'v4/live_engine_http_srv/get_room_list';

/** What the API lets through of them in a second, and the most rooms in a page of the list. */
export const roomInfoQuota = 200;
export const roomListQuota = 10;
export const roomsPerPage = 20;
