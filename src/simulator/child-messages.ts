import type { ErrorCode } from '../errors.js';
import type { SimulatorReport } from './report.js';
import type { SimulatorOptions } from './options.js';

/** Options that can be sent to another process: as SimulatorOptions, rooms as a list. */
export type ForkOptions = Omit<SimulatorOptions, 'rooms'> & { rooms?: number | readonly string[] };

/** The first message must be `start`; each request is answered once, in order. */
export type ChildRequest =
  | { type: 'start'; options: ForkOptions }
  | { type: 'report' }
  | { type: 'arrivals' }
  | { type: 'fault'; spec: string | null };

export type ChildReply =
  | { type: 'started'; url: string }
  | { type: 'report'; report: SimulatorReport }
  | { type: 'arrivals'; times: Float64Array }
  | { type: 'done' }
  | { type: 'refused'; code: ErrorCode; message: string };
