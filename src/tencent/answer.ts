import type { Statistics } from '../destruction.js';

/** What came back for one attempt, before anything is made of it. */
export type Answer =
  | {
      kind: 'reply';
      httpStatus: number;
      errorCode: number;
      errorInfo: string;
      requestId: string | undefined;
      /** ErrorCode 0 beside `ActionStatus: FAIL`. */
      isContradictory?: true;
      /** The final statistics; absent on failures, and on successes of older API versions. */
      statistics: Statistics | undefined;
      /** What its `Response` holds, unchecked, for the commands that read (src/tencent/rooms.ts). */
      response?: unknown;
      /**
       * The body where not all of it could be read, or what had come of it: for a person, who may
       * find the statistics in it. Cut, printable, and without the signature.
       */
      raw?: string;
    }
  /** A body that is not the documented JSON. */
  | { kind: 'unreadable'; httpStatus: number; raw?: string }
  | { kind: 'timeout'; raw?: string }
  | {
      kind: 'network';
      /** Node's error code, such as ECONNRESET; of a proxy that refuses the way, {@link proxyRefused}. */
      code: string;
      /** Whether the request had been written: if so, the server may have acted. */
      written: boolean;
      raw?: string;
    };

/** The code of a proxy that refuses the way to the API: its HTTP status follows. */
export const proxyRefused = 'PROXY_HTTP_';
