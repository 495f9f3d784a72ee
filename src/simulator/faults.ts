/**
 * Faults on demand. The grammar, for room lists, flags and the control endpoint:
 *
 *     faults = fault *( "," fault )
 *     fault  = [ "act+" | "keep+" ] effect [ "*" COUNT ] [ "=" SHARE ]
 *
 * effect          what the request meets                                     the room
 * 100001          this ErrorCode (1000–999999)                                stays
 * 502             this HTTP status (400–599) with a page of HTML              stays
 * cut             the connection is cut without an answer                     is destroyed
 * hang            no answer, ever                                             stays
 * stall           half an answer, then nothing                                is destroyed
 * garbage         a body that is not JSON                                     is destroyed
 * noresponse      success without `Response`, so without statistics           is destroyed
 * twice           success, and the same answer once more                      is destroyed
 * latency=300     the answer comes 300 ms later; goes together with the rest  as usual
 * gone            100004: the room never existed (room lists only)            –
 *
 * `act+` destroys the room where the effect alone would not, `keep+` the other way round:
 * `act+hang` and `act+502` are answers that never told what was done.
 * COUNT: only the first so many requests (of this room; of all rooms for a flag).
 * SHARE: this share of the requests, 0 < SHARE <= 1; flags only.
 * Of several faults the first that hits decides; latencies add up.
 */
export type Effect =
  | { kind: 'code'; code: number; acts: boolean }
  | { kind: 'status'; status: number; acts: boolean }
  | { kind: 'cut' | 'hang' | 'stall' | 'garbage'; acts: boolean }
  | { kind: 'noresponse' | 'twice' }
  | { kind: 'latency'; ms: number }
  | { kind: 'gone' };

export interface Fault {
  effect: Effect;
  /** Requests it will still hit; Infinity without COUNT. */
  left: number;
  share: number;
}

export type FaultPlace = 'room' | 'service';

export interface ParsedFaults {
  faults: Fault[];
  /** One sentence each; empty when all of `text` was understood. */
  problems: string[];
}

const faultRule = /^(?:(act|keep)\+)?(latency=\d+|[a-z]+|\d+)(?:\*([^=]*))?(?:=(.*))?$/;
const effectNames =
  'an ErrorCode (1000–999999), an HTTP status (400–599), cut, hang, stall, garbage, noresponse, twice, latency=MS or gone';
const actsByItself = { cut: true, hang: false, stall: true, garbage: true } as const;

export function parseFaults(text: string, place: FaultPlace): ParsedFaults {
  const parsed: ParsedFaults = { faults: [], problems: [] };
  for (const part of text.split(',')) {
    const fault = parseFault(part.trim(), place);
    if (typeof fault === 'string') parsed.problems.push(fault);
    else parsed.faults.push(fault);
  }
  return parsed;
}

/** The fault, or what is wrong with `text`. */
function parseFault(text: string, place: FaultPlace): Fault | string {
  const [, force, name = '', count, share] = faultRule.exec(text) ?? [];
  const effect = toEffect(name, force);
  if (effect === undefined) return `fault must be ${effectNames}, got "${text}"`;
  if (force !== undefined && !('acts' in effect)) {
    return `${force}+ must stand before an effect that may act or not, got "${text}"`;
  }
  if (effect.kind === 'gone' && (place === 'service' || count !== undefined)) {
    return `gone must stand alone after one room, got "${text}"; 100004 answers as if a room were gone`;
  }
  if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count)) {
    return `count after * must be a whole number from 1 up, got "${text}"`;
  }
  if (share !== undefined && place === 'room') {
    return `share must not be given for one room, got "${text}"; say how many requests with *COUNT`;
  }
  if (share !== undefined && !isShare(share)) {
    return `share after = must be more than 0 and at most 1, got "${text}"`;
  }
  return {
    effect,
    left: count === undefined ? Number.POSITIVE_INFINITY : Number(count),
    share: share === undefined ? 1 : Number(share),
  };
}

function toEffect(name: string, force: string | undefined): Effect | undefined {
  const acts = force === 'act';
  if (/^\d+$/.test(name)) {
    const number = Number(name);
    if (number >= 400 && number <= 599) return { kind: 'status', status: number, acts };
    if (number >= 1_000 && number <= 999_999) return { kind: 'code', code: number, acts };
    return undefined;
  }
  if (name.startsWith('latency=')) return { kind: 'latency', ms: Number(name.slice(8)) };
  switch (name) {
    case 'cut':
    case 'hang':
    case 'stall':
    case 'garbage':
      return { kind: name, acts: force === undefined ? actsByItself[name] : acts };
    case 'noresponse':
    case 'twice':
    case 'gone':
      return { kind: name };
    default:
      return undefined;
  }
}

/** Whether `text` is a number above 0 and at most 1. */
export function isShare(text: string): boolean {
  return /^\d*\.?\d+$/.test(text) && Number(text) > 0 && Number(text) <= 1;
}
