/** What the line does, in words: `status` and `explain` say the same. */
import type { Standstill } from '../operations/standstill.js';

/** What a line does that nothing of its own holds. */
export function lineStands(standstill: Standstill | undefined, paused = 'paused by hand'): string {
  switch (standstill) {
    case undefined:
      return 'running';
    case 'paused':
      return paused;
    case 'queue_unknown':
    case 'ledger_unknown':
      return 'not known whether it runs';
    case 'line_stands':
    case 'no_worker':
    case 'workers_hold_back':
    case 'nothing_sent':
    case 'queue_read_only':
    case 'ledger_read_only':
      return 'NOT RUNNING';
    default:
      return standstill satisfies never;
  }
}
