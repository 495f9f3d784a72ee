import { ReaperError, type ErrorOptions } from '../errors.js';

/** The error of a command line that cannot be meant so. */
export function invalid(message: string, options?: ErrorOptions): ReaperError {
  return new ReaperError('INVALID', message, options);
}
