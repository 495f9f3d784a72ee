/** Runs a TypeScript file of the tests as a process of its own: Node 20 runs no .ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from 'rolldown/utils';

/** The same as JavaScript. */
export function withoutTypes(file: string, source: string): string {
  const { code, errors } = transformSync(file, source, {
    typescript: { onlyRemoveTypeImports: true },
  });
  if (errors.length > 0) throw new Error(`${file} cannot be compiled: ${errors[0]?.message}`);
  return code;
}

export interface TypeScriptProcess {
  child: ChildProcess;
  /** Removes what was compiled: call it once the process has said its first word, or ended. */
  remove: () => void;
}

/**
 * @param files - names of files beside this one; the first is run and may import the others.
 * @param argument - what the process finds, as JSON, in its first argument.
 */
export function forkTypeScript(
  files: readonly [string, ...string[]],
  argument?: unknown,
): TypeScriptProcess {
  const folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const file of files) {
    const source = readFileSync(new URL(file, import.meta.url), 'utf8');
    writeFileSync(join(folder, file.replace(/\.ts$/, '.js')), withoutTypes(file, source));
  }
  const child = fork(
    join(folder, files[0].replace(/\.ts$/, '.js')),
    [JSON.stringify(argument ?? {})],
    {
      execArgv: [],
    },
  );
  return { child, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A process that measures must not wait for those that it measures; only root may say so. */
export function giveWay(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    setPriority(child.pid, constants.priority.PRIORITY_HIGH);
  } catch {
    // Without it the times are what the machine allows.
  }
}
