import { orUndefined } from '../or-undefined.js';
import { isRoomId } from '../room-id.js';
import type { Signatures } from './signatures.js';

/** The commands that exist (https://trtc.io/document/63398): this one, and those that only read. */
const destroyRoom = 'destroy_room';
export const readCommands = ['get_room_info', 'get_room_stats', 'get_room_list'] as const;

export type ReadCommand = (typeof readCommands)[number];

const service = '/v4/live_engine_http_srv/';

/** Rooms on a page of get_room_list, at most. */
const longestPage = 20;

const parameters = ['sdkappid', 'identifier', 'usersig', 'random', 'contenttype'] as const;
const unsignedInteger = /^(?:0|[1-9]\d{0,9})$/;

export interface Caller {
  signatures: Signatures;
  adminIdentifier: string;
  nowMs: number;
  /** Told each well-formed `random`, also when the request is refused for another reason. */
  onRandom: (random: number) => void;
}

interface Refused {
  ok: false;
  code: number;
}

export type CheckedRoom = { ok: true; roomId: string } | Refused;

/** `from`: how many rooms of the list come before the page. */
export type CheckedPage = { ok: true; from: number; count: number } | Refused;

/** The command that reads which is asked for; undefined: it is destroy_room, or none. */
export function readCommandOf(url: string): ReadCommand | undefined {
  const path = pathOf(url);
  return readCommands.find((command) => path === service + command);
}

/** A request for one room, against the documented rules. */
export function checkRoomRequest(
  method: string,
  url: string,
  body: string,
  caller: Caller,
): CheckedRoom {
  return checkAround(method, url, caller) ?? checkRoomBody(body);
}

/** A request for a page of rooms, against the documented rules. */
export function checkPageRequest(
  method: string,
  url: string,
  body: string,
  caller: Caller,
): CheckedPage {
  return checkAround(method, url, caller) ?? checkPageBody(body);
}

/**
 * What is around the body, outside in: URL, parameters, UserSig, administrator. `url` is the
 * path with the query. No part of it is ever handed on.
 *
 * @returns what is wrong with it.
 */
function checkAround(method: string, url: string, caller: Caller): Refused | undefined {
  const path = pathOf(url);
  if (method !== 'POST' || !/^\/v4\/\w+\/\w+$/.test(path)) return refuse(60002);
  if (path !== service + destroyRoom && readCommandOf(url) === undefined) return refuse(60009);

  const query = new URLSearchParams(url.slice(path.length + 1));
  if (parameters.some((name) => query.getAll(name).length > 1)) return refuse(60025);
  const sdkAppId = query.get('sdkappid');
  const identifier = query.get('identifier');
  const userSig = query.get('usersig');
  const random = query.get('random');
  if (!sdkAppId) return refuse(60012);
  if (!unsignedInteger.test(sdkAppId) || sdkAppId === '0') return refuse(60006);
  if (random === null || !unsignedInteger.test(random)) return refuse(60025);
  if (Number(random) > 0xffff_ffff) return refuse(60025);
  caller.onRandom(Number(random));
  if (!identifier || userSig === null) return refuse(60025);
  if (query.get('contenttype') !== 'json') return refuse(60025);

  const code = caller.signatures.check(userSig, Number(sdkAppId), identifier, caller.nowMs);
  if (code !== 0) return refuse(code);
  if (identifier !== caller.adminIdentifier) return refuse(60010);
  return undefined;
}

/** `url` without its query. */
function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function checkRoomBody(body: string): CheckedRoom {
  const parsed = orUndefined<unknown>(() => JSON.parse(body));
  if (parsed === undefined) return refuse(60003);
  if (typeof parsed !== 'object' || parsed === null || !('RoomId' in parsed)) return refuse(100002);
  const { RoomId: roomId } = parsed;
  if (typeof roomId !== 'string' || !isRoomId(roomId)) return refuse(100002);
  return { ok: true, roomId };
}

/** `Next` is what the page before told, or "" (https://www.tencentcloud.com/document/product/1071/76888). */
function checkPageBody(body: string): CheckedPage {
  const parsed = orUndefined<unknown>(() => JSON.parse(body));
  if (parsed === undefined) return refuse(60003);
  if (typeof parsed !== 'object' || parsed === null) return refuse(100002);
  const { Next: next, Count: count } = parsed as Record<string, unknown>;
  if (typeof next !== 'string' || !/^\d{0,8}$/.test(next)) return refuse(100002);
  if (typeof count !== 'number' || !Number.isInteger(count)) return refuse(100002);
  if (count < 1 || count > longestPage) return refuse(100002);
  return { ok: true, from: Number(next), count };
}

function refuse(code: number): Refused {
  return { ok: false, code };
}
