/** The documentation's rules for a request, checked with code of the tests' own. */
import type { IncomingMessage } from 'node:http';
import type { Command, CountingServerOptions } from './counting-server.js';
import { checkSignature } from './counting-server-signature.js';

/** What a body holds, in this order. */
const bodyKeys: Record<Command, string> = {
  destroy_room: 'RoomId',
  get_room_info: 'RoomId',
  get_room_stats: 'RoomId',
  get_room_list: 'Next,Count',
};

export const commandNames = Object.keys(bodyKeys) as Command[];

/** A page of get_room_list is asked for by where it starts. */
export type CheckedBody = { roomId: string } | { next: number; count: number };

export function createRules(options: CountingServerOptions) {
  const problems: string[] = [];
  const signatures = new Set<string>();
  const randoms = new Set<string>();
  let invalidated = new Set<string>();

  function refuse(code: number, problem: string): { code: number } {
    problems.push(problem);
    return { code };
  }

  function checkBody(command: Command, body: string): CheckedBody | { code: number } {
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      return refuse(60003, 'body is not JSON');
    }
    const keys = Object.keys(parsed as object).join();
    if (keys !== bodyKeys[command]) return refuse(100002, `body has ${keys}`);
    if (command === 'get_room_list') {
      const { Next: next, Count: count } = parsed as { Next: unknown; Count: unknown };
      if (typeof next !== 'string' || !/^(|from-\d+)$/.test(next))
        return refuse(100002, 'Next is none that was told');
      if (!Number.isInteger(count) || Number(count) < 1 || Number(count) > 20)
        return refuse(100002, `Count is ${String(count)}`);
      return { next: Number(next.slice('from-'.length)), count: Number(count) };
    }
    const { RoomId: roomId } = parsed as { RoomId: unknown };
    if (typeof roomId !== 'string' || !/^[ -~]{1,48}$/.test(roomId)) {
      return refuse(100002, 'RoomId is not one');
    }
    return { roomId };
  }

  return {
    /** Rules that requests broke. */
    problems,
    /** Every UserSig that arrived. */
    signatures,
    randoms,
    /** Every signature that arrived so far is stale from now on. */
    invalidateSignatures() {
      invalidated = new Set(signatures);
    },
    /** What the body asks for, or the ErrorCode of a request that breaks a rule; it is noted. */
    check(command: Command, request: IncomingMessage, body: string) {
      const url = new URL(request.url ?? '/', 'http://server');
      const query = url.searchParams;
      if (request.method !== 'POST') return refuse(60002, `method ${request.method ?? ''}`);
      if (url.pathname !== `/v4/live_engine_http_srv/${command}`)
        return refuse(60002, `path ${url.pathname}`);
      const names = [...query.keys()].sort().join();
      if (names !== 'contenttype,identifier,random,sdkappid,usersig') {
        return refuse(60025, `parameters ${names}`);
      }
      if (query.get('contenttype') !== 'json') return refuse(60025, 'contenttype');
      if (query.get('sdkappid') !== String(options.sdkAppId)) return refuse(60006, 'sdkappid');
      if (query.get('identifier') !== options.adminIdentifier) return refuse(60010, 'identifier');
      const random = query.get('random') ?? '';
      if (!/^(0|[1-9]\d{0,9})$/.test(random) || Number(random) >= 2 ** 32) {
        return refuse(60025, `random ${random}`);
      }
      randoms.add(random);
      if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
        problems.push(`content type ${request.headers['content-type'] ?? 'absent'}`);
      }
      const signature = query.get('usersig') ?? '';
      signatures.add(signature);
      if (invalidated.has(signature)) return { code: 70052 };
      const { code, problem } = checkSignature(signature, options);
      if (problem !== undefined) problems.push(problem);
      if (code !== 0) return { code };
      return checkBody(command, body);
    },
  };
}
