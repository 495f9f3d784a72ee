/** The line, as every answer that has it shows it. */
import { haltOf, type LineState } from '../ledger/line.js';
import { isoTime } from '../text.js';

export { haltOf, type Halt, type Line, type LineState } from '../ledger/line.js';

/** The words of a contract: an outage is shown as a brake, for it goes by itself. */
export const lineWords = {
  running: 'running',
  braked: 'braked',
  outage: 'braked',
  stopped: 'stopped',
  paused: 'paused',
  never_used: 'never_used',
} as const satisfies Record<LineState['kind'], string>;

/** `stopped` or `outage`, where it is one of them. */
export function haltJson(state: LineState): object {
  const halt = haltOf(state);
  if (halt === undefined) return {};
  return {
    [halt.outage ? 'outage' : 'stopped']: {
      code: halt.code,
      reason: halt.reason,
      remedy: halt.remedy,
      by: halt.by,
      since: isoTime(halt.sinceMs),
      probeAt: isoTime(halt.probeAtMs),
    },
  };
}
