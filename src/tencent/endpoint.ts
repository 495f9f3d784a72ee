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

/** The command this program sends; part of the key of the limiter's row, because quotas are per command. */
export const destroyRoomCommand = 'v4/live_engine_http_srv/destroy_room';

/**
 * Reads a room and changes nothing: what `doctor` tries a signature with. It has a quota of its
 * own, so it takes no slot of `destroy_room`. Source: https://trtc.io/document/63404
 */
export const roomInfoCommand = 'v4/live_engine_http_srv/get_room_info';
