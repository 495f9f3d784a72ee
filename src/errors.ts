/**
 * Errors that a user can act on. The message has the form
 * `<thing> must be <rule>, got <value>; <next step>`; `code` is stable.
 */
export type ErrorCode =
  /** Wrong flags, configuration or input: exit code 2. */
  | 'USAGE'
  /** Redis, Postgres or the embedded database cannot be used: exit code 2. */
  | 'UNAVAILABLE';

export class ReaperError extends Error {
  override readonly name = 'ReaperError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
