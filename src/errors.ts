/**
 * Errors that a user can act on. The message has the form
 * `<thing> must be <rule>, got <value>`; `code` is stable. It says nothing of flags or paths:
 * each skin adds, to the remedies it knows, its own words.
 */

/**
 * Every code, with what the command line exits with and what HTTP answers. docs/operations.md
 * has the same table; a test holds them together.
 */
export const errorCodes = {
  INVALID: { exitCode: 2, httpStatus: 422, meaning: 'configuration, a flag or a list is wrong' },
  NOT_FOUND: { exitCode: 2, httpStatus: 404, meaning: 'there is no such batch or room' },
  AMBIGUOUS: {
    exitCode: 2,
    httpStatus: 409,
    meaning: 'more than one could be meant; the error has the candidates',
  },
  CONFLICT: {
    exitCode: 2,
    httpStatus: 409,
    meaning: 'something changed meanwhile, such as a batch that was cancelled',
  },
  REFUSED: {
    exitCode: 2,
    httpStatus: 409,
    meaning: 'it is not done without consent, such as for protected rooms',
  },
  NO_SPACE: { exitCode: 2, httpStatus: 507, meaning: 'Redis has no space for the rooms' },
  UNAVAILABLE: {
    exitCode: 2,
    httpStatus: 503,
    meaning: 'Redis, Postgres or the embedded database cannot be used',
  },
} as const satisfies Record<string, { exitCode: number; httpStatus: number; meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** What would mend it, where every skin has its own way to say that: src/cli/advice.ts. */
export type Remedy =
  | 'run_again'
  | 'run_again_then'
  | 'run_again_for_the_rest'
  | 'cancel_again'
  | 'name_the_format'
  | 'skip_invalid'
  | 'skip_protected'
  | 'force'
  | 'list_batches'
  | 'give_the_id'
  | 'keep_more'
  | 'adopt_queue'
  | 'look_elsewhere';

/** One of several that could be meant. */
export interface Candidate {
  id: string;
  createdAtMs: number;
}

/** One of several places that are wrong. */
export interface ErrorDetail {
  /** Of a list, from 1. */
  line?: number;
  detail: string;
}

export interface ErrorOptions {
  cause?: unknown;
  remedy?: Remedy | undefined;
  candidates?: readonly Candidate[];
  details?: readonly ErrorDetail[];
  facts?: Readonly<Record<string, unknown>>;
}

export class ReaperError extends Error {
  override readonly name = 'ReaperError';
  readonly code: ErrorCode;
  readonly remedy: Remedy | undefined;
  /** Of `AMBIGUOUS`; empty elsewhere. */
  readonly candidates: readonly Candidate[];
  /** The first of the places that are wrong, for whoever has not named them already. */
  readonly details: readonly ErrorDetail[];
  /** What whoever asked needs to ask again. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.code = code;
    this.remedy = options.remedy;
    this.candidates = options.candidates ?? [];
    this.details = options.details ?? [];
    this.facts = options.facts ?? {};
  }
}

/** The error of input that cannot be meant so. */
export function invalid(message: string, options?: ErrorOptions): ReaperError {
  return new ReaperError('INVALID', message, options);
}
