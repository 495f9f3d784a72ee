/** The streams of one run of the program; tests pass their own. */
export interface Io {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  /** Data: reports and `--json`. */
  stdout: NodeJS.WritableStream & { isTTY?: boolean };
  /** Talk: progress, notices, errors. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  env: NodeJS.ProcessEnv;
}
