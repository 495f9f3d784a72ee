/** The state of the line in one word, one sentence, and what to do. */
import type { Problem } from './api';
import { duration, rooms } from './format';
import type { Halt, Status } from './types';
import { lineTitles, standstillWords, type LineTitle } from './words';

export interface LineState {
  kind: LineTitle;
  title: string;
  /** Why, in sentences. */
  cause: string | undefined;
  remedy: string | undefined;
  halt: Halt | undefined;
  host: string | undefined;
}

const of = (kind: LineTitle, more: Partial<LineState> = {}): LineState => ({
  ...{ kind, title: lineTitles[kind] },
  ...{ cause: undefined, remedy: undefined, halt: undefined, host: undefined, ...more },
});

/** @param problem - why the last question had no answer. */
export function stateOf(status: Status | undefined, problem: Problem | undefined): LineState {
  if (status === undefined)
    return problem === undefined ? of('loading') : of('unknown', { cause: problem.message });
  if (problem !== undefined) return of('unknown', { cause: problem.message });
  const lines = status.lines?.filter(({ left }) => left !== true) ?? [];
  const stopped = lines.find((line) => line.stopped);
  if (stopped?.stopped) {
    const { reason, remedy } = stopped.stopped;
    return of('stopped', {
      ...{ cause: reason, remedy: remedy ?? undefined, halt: stopped.stopped, host: stopped.host },
    });
  }
  if (status.unreachable !== undefined) return of('unavailable', { cause: status.unreachable });
  if (status.queue?.paused) {
    const { by, note } = status.queue.pause ?? {};
    const who = by === undefined ? 'The queue was paused' : `${by} paused the queue`;
    return of('paused', {
      cause: note === undefined ? `${who}.` : `${who}: ${note}`,
      remedy: 'Resume it when the reason is gone.',
    });
  }
  const out = lines.find((line) => line.outage);
  if (out?.outage) {
    return of('outage', {
      ...{ cause: out.outage.reason, halt: out.outage, host: out.host },
      remedy: 'Nothing is to be done: it is tried until it works, and no room is lost.',
    });
  }
  const why = status.noEtaBecause;
  if (why !== undefined) return of('waiting', { cause: standstillWords[why] ?? why });
  const braked = lines.find(({ state }) => state === 'braked');
  if (braked) {
    return of('braked', {
      cause: braked.brakeReason ?? 'the API says that we are over its quota',
      remedy: 'It speeds up again by itself.',
      host: braked.host,
    });
  }
  const { waiting = 0, active = 0, delayed = 0 } = status.queue ?? {};
  const open = waiting + active;
  if (open === 0 && delayed === 0) return of('idle');
  if (open === 0) return of('running', { cause: `${rooms(delayed)} not due yet` });
  const isKnown = status.etaSeconds !== null;
  const done = isKnown ? `, done in ${duration(status.etaSeconds ?? 0)}` : '';
  return of('running', { cause: `${rooms(open)} to go${done}` });
}

const colours: Partial<Record<LineTitle, string>> = {
  running: '#1a7f37',
  idle: '#57606a',
  braked: '#b35900',
  outage: '#b35900',
  waiting: '#b35900',
  paused: '#0b63c5',
  stopped: '#c62828',
  unavailable: '#c62828',
  unknown: '#c62828',
};

/** Title and icon tell it in a tab behind others. */
export function showInTab({ kind, title }: LineState, screen: string): void {
  const isQuiet = kind === 'running' || kind === 'idle' || kind === 'loading';
  document.title = isQuiet ? `${screen} · room-reaper` : `${title} · room-reaper`;
  const shape =
    kind === 'stopped'
      ? '<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z"/>'
      : '<circle cx="8" cy="8" r="7"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${colours[kind] ?? '#57606a'}">${shape}</svg>`;
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  const href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  if (icon !== null && icon.href !== href) icon.href = href;
}
