import { orUndefined } from '../or-undefined.js';
import { isRoomId } from '../room-id.js';
import type { Signatures } from './signatures.js';

/** The URLs that exist (https://trtc.io/document/63398, https://trtc.io/document/63404). */
const destroyRoomPath = '/v4/live_engine_http_srv/destroy_room';
export const roomInfoPath = '/v4/live_engine_http_srv/get_room_info';

const parameters = ['sdkappid', 'identifier', 'usersig', 'random', 'contenttype'] as const;
const unsignedInteger = /^(?:0|[1-9]\d{0,9})$/;

export interface Caller {
  signatures: Signatures;
  adminIdentifier: string;
  nowMs: number;
  /** Told each well-formed `random`, also when the request is refused for another reason. */
  onRandom: (random: number) => void;
}

export type CheckedRequest = { ok: true; roomId: string } | { ok: false; code: number };

/**
 * A request against the documented rules, outside in: URL, parameters, UserSig, administrator,
 * body. `url` is the path with the query. No part of it is ever handed on.
 */
export function checkRequest(
  method: string,
  url: string,
  body: string,
  caller: Caller,
): CheckedRequest {
  const path = pathOf(url);
  if (method !== 'POST' || !/^\/v4\/\w+\/\w+$/.test(path)) return refuse(60002);
  if (path !== destroyRoomPath && path !== roomInfoPath) return refuse(60009);

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
  return checkBody(body);
}

/** `url` without its query. */
export function pathOf(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 ? url : url.slice(0, mark);
}

function checkBody(body: string): CheckedRequest {
  const parsed = orUndefined<unknown>(() => JSON.parse(body));
  if (parsed === undefined) return refuse(60003);
  if (typeof parsed !== 'object' || parsed === null || !('RoomId' in parsed)) return refuse(100002);
  const { RoomId: roomId } = parsed;
  if (typeof roomId !== 'string' || !isRoomId(roomId)) return refuse(100002);
  return { ok: true, roomId };
}

function refuse(code: number): CheckedRequest {
  return { ok: false, code };
}
