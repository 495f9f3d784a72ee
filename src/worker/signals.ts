/** Ways in which a run of a job leaves without an end. */

/** The job goes back to the queue unspent: the line was stopped, or this worker is shutting down. */
export class GiveBack extends Error {
  override readonly name = 'GiveBack';
  /** Behind the others of its lane. */
  readonly toBack: boolean;

  constructor(reason: string, { toBack = false } = {}) {
    super(reason);
    this.toBack = toBack;
  }
}

/** One attempt failed in a way that may pass. */
export class TransientFailure extends Error {
  override readonly name = 'TransientFailure';
  readonly errorCode: number | undefined;
  readonly errorInfo: string | undefined;
  readonly requestId: string | undefined;

  constructor(
    reason: string,
    details: {
      errorCode: number | undefined;
      errorInfo: string | undefined;
      requestId: string | undefined;
    },
  ) {
    super(reason);
    this.errorCode = details.errorCode;
    this.errorInfo = details.errorInfo;
    this.requestId = details.requestId;
  }
}

/** BullMQ puts the job back with this delay and counts the run. */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';
  readonly delayMs: number;

  constructor(reason: string, delayMs: number) {
    super(reason);
    this.delayMs = delayMs;
  }
}
