import type { Answer } from './send-answer.js';
import type { Effect, Fault } from './faults.js';
import type { Room, Rooms } from './simulated-rooms.js';
import { hash32 } from './truth.js';

type DecidingEffect = Exclude<Effect, { kind: 'latency' | 'gone' }>;

/**
 * What a request that keeps every rule does to its room, and how it is answered.
 *
 * `plan.first` comes first (switched on at run time), then the faults of the room, then
 * `plan.last` (flags). A share is drawn from the seed, the RoomId and how often the room was asked for,
 * so one seed gives the same faults whatever the order the workers come in.
 */
export function destroyRoom(
  rooms: Rooms,
  room: Room,
  plan: { first: Fault[]; last: Fault[]; seed: number },
): { answer: Answer; delayMs: number } {
  room.requests++;
  let deciding: DecidingEffect | undefined;
  let delayMs = 0;
  let position = 0;
  for (const fault of [...plan.first, ...room.faults, ...plan.last]) {
    position++;
    const { effect } = fault;
    // A fault that cannot decide any more keeps its count for a later request.
    if (effect.kind === 'gone' || (deciding && effect.kind !== 'latency')) continue;
    if (!hits(fault, `${plan.seed} ${position} ${room.requests} ${room.roomId}`)) continue;
    if (effect.kind === 'latency') delayMs += effect.ms;
    else deciding = effect;
  }
  return { answer: act(rooms, room, deciding), delayMs };
}

function hits(fault: Fault, draw: string): boolean {
  if (fault.left === 0) return false;
  if (fault.share < 1 && hash32(draw) / 2 ** 32 >= fault.share) return false;
  fault.left--;
  return true;
}

function act(rooms: Rooms, room: Room, effect: DecidingEffect | undefined): Answer {
  if (effect !== undefined && 'acts' in effect) {
    if (effect.acts) rooms.destroy(room);
    return effect;
  }
  const statistic = rooms.destroy(room);
  if (statistic === undefined) return { kind: 'code', code: 100004 };
  if (effect?.kind === 'noresponse') return { kind: 'noresponse' };
  return { kind: 'destroyed', statistic, ...(effect && { twice: true }) };
}
