import type { Statistics } from '../destruction.js';

/** What came back for one attempt, before anything is made of it. */
export type Answer =
  | {
      kind: 'reply';
      httpStatus: number;
      errorCode: number;
      errorInfo: string;
      requestId: string | undefined;
      /** The final statistics; absent on failures, and on successes of older API versions. */
      statistics: Statistics | undefined;
    }
  /** A body that is not the documented JSON. */
  | { kind: 'unreadable'; httpStatus: number }
  | { kind: 'timeout' }
  | {
      kind: 'network';
      /** Node's error code, such as ECONNRESET. */
      code: string;
      /** Whether the body had been written: if so, the server may have acted. */
      written: boolean;
    };
