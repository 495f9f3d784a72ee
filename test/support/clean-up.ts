/**
 * What a test opened is closed after it, whatever became of it. The hooks that do so are in
 * setup.ts, which runs for every file of tests: this module is loaded once for many of them.
 */
type CleanUp = () => Promise<void> | void;

const afterTest: CleanUp[] = [];
const afterFile: CleanUp[] = [];

/** Runs `cleanUp` after the test, or its `beforeEach`, that is running. The last one goes first. */
export function afterThisTest(cleanUp: CleanUp): void {
  afterTest.push(cleanUp);
}

/** Runs `cleanUp` after the last test of the file that is running. */
export function afterThisFile(cleanUp: CleanUp): void {
  afterFile.push(cleanUp);
}

export const endTest = () => runAll(afterTest);

export async function endFile(): Promise<void> {
  // What was opened in `beforeAll`, by helpers that close it after a test.
  await runAll(afterTest);
  await runAll(afterFile);
}

async function runAll(cleanUps: CleanUp[]): Promise<void> {
  const failures: unknown[] = [];
  for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) {
    try {
      await next();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'what a test opened did not close');
}
