/**
 * Many rooms rejected in a row, and no success between: the list or the app is wrong, and
 * running through a hundred thousand rooms would only burn them.
 */
const tooManyInARow = 50;

/** Why the line is stopped then; workers recognise it. */
export const manyRejected = 'many rooms in a row were rejected';

export const manyRejectedRemedy =
  'check that the list and TENCENT_SDK_APP_ID belong together; `room-reaper resume` goes on all the same';

export type Rejections = ReturnType<typeof createRejections>;

export function createRejections() {
  let inARow = 0;
  return {
    /** @returns whether it is time to stop the line. */
    saw(rejected: boolean): boolean {
      inARow = rejected ? inARow + 1 : 0;
      return inARow >= tooManyInARow;
    },
    /** The line was stopped for this: one more is enough, until a success. */
    trip(): void {
      inARow = tooManyInARow - 1;
    },
    /** A person let the line run again. */
    reset(): void {
      inARow = 0;
    },
  };
}
