/** Every error as RFC 9457 has it: `application/problem+json`. */
import { STATUS_CODES } from 'node:http';
import {
  errorCodes,
  ReaperError,
  type ErrorCode,
  type ErrorDetail,
  type Remedy,
} from '../errors.js';
import { isPassing } from '../passing.js';

/**
 * Codes of what is wrong with a request before an operation is asked; those of the operations are
 * the registry's (src/errors.ts). docs/api.md has both tables; a test holds them together.
 */
export const httpCodes = {
  MALFORMED: { httpStatus: 400, meaning: 'the request, or the JSON in it, cannot be read' },
  UNAUTHENTICATED: { httpStatus: 401, meaning: 'there is no token, or it does not count' },
  FOREIGN_SITE: {
    httpStatus: 403,
    meaning: 'it has a cookie, and does not come from a page of this server',
  },
  FORBIDDEN: { httpStatus: 403, meaning: 'the role of the token may not do that' },
  NO_SUCH_PATH: { httpStatus: 404, meaning: 'there is nothing under this path' },
  WRONG_METHOD: { httpStatus: 405, meaning: 'the path has other methods, in `Allow`' },
  TOO_SLOW: { httpStatus: 408, meaning: 'the body did not come in time' },
  TOO_LARGE: { httpStatus: 413, meaning: 'the body is larger than may be' },
  WRONG_MEDIA_TYPE: { httpStatus: 415, meaning: 'the body is of another type than may be' },
  WRONG_HOST: { httpStatus: 421, meaning: 'the name in `Host` is not served here' },
  TOO_MANY: { httpStatus: 429, meaning: 'there are too many of that kind at once' },
  BUG: { httpStatus: 500, meaning: 'a mistake of ours; the log of the server has it' },
} as const satisfies Record<string, { httpStatus: number; meaning: string }>;

export type HttpCode = keyof typeof httpCodes;

interface ProblemOptions {
  /** Members of its own. */
  facts?: Readonly<Record<string, unknown>>;
  remedy?: string;
  /** At most a hundred. */
  errors?: readonly ErrorDetail[];
  headers?: Readonly<Record<string, string>>;
}

/** What is wrong with a request before an operation is asked. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: HttpCode;
  readonly options: ProblemOptions;

  constructor(code: HttpCode, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.code = code;
    this.options = options;
  }
}

/** What mends it, in the words of the API. */
const remedies: Readonly<Record<Remedy, string>> = {
  run_again: 'send the same request again',
  run_again_then: 'then send the same request again',
  run_again_for_the_rest: 'then send the same request again: it adds the rest and nothing twice',
  cancel_again: 'to take back what came after it, cancel the batch again',
  name_the_format: 'name the format by Content-Type: text/plain, text/csv or application/x-ndjson',
  skip_invalid: 'correct them, or leave them out with skipInvalid=true',
  skip_protected: 'take them out, or leave them out with skipProtected=true',
  force: 'add "force": true to ask all the same',
  list_batches: 'GET /v1/batches lists them',
  give_the_id: 'give the id',
  keep_more: 'keep more, or force it',
  adopt_queue:
    'if the queue is to go on with this ledger, stop all workers and run `room-reaper migrate --adopt-queue`',
  look_elsewhere: 'start the server where the database is',
};

/** The error as an answer. What is no error of ours tells nothing of itself. */
export function problemResponse(error: unknown): Response {
  if (error instanceof HttpProblem) {
    const { httpStatus } = httpCodes[error.code];
    return answer(error.code, httpStatus, error.message, error.options);
  }
  if (error instanceof ReaperError) {
    const { code, message, remedy, candidates, details, facts } = error;
    const named = candidates.map(({ id, createdAtMs }) => ({
      detail: `${id} of ${new Date(createdAtMs).toISOString()}`,
    }));
    const errors = [...details, ...named];
    return answer(code, errorCodes[code].httpStatus, message, {
      ...(remedy === undefined ? {} : { remedy: remedies[remedy] }),
      ...(errors.length === 0 ? {} : { errors }),
      facts,
      ...(code === 'UNAVAILABLE' ? { headers: { 'Retry-After': '5' } } : {}),
    });
  }
  if (isPassing(error)) {
    return answer('UNAVAILABLE', 503, 'a store went away meanwhile', {
      remedy: remedies.run_again,
      headers: { 'Retry-After': '5' },
    });
  }
  return answer('BUG', 500, 'something went wrong that should not; the log of the server has it');
}

function answer(
  code: ErrorCode | HttpCode,
  status: number,
  detail: string,
  { remedy, errors, facts, headers = {} }: ProblemOptions = {},
): Response {
  const title = STATUS_CODES[status] ?? 'Error';
  const type = `urn:room-reaper:problem:${code.toLowerCase().replaceAll('_', '-')}`;
  const told = { type, title, status, detail, code, remedy, errors: errors?.slice(0, 100) };
  const problem = { ...facts, ...told };
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });
}
