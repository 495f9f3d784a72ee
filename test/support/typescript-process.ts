/** Runs a TypeScript file of the tests as a process of its own: Node 20 runs no .ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type TypeScript from 'typescript';

const require = createRequire(import.meta.url);

/** Loading the compiler takes longer than a small test: what it made is kept, by its source. */
const kept = fileURLToPath(new URL('../../node_modules/.cache/room-reaper-test', import.meta.url));

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
    writeFileSync(join(folder, file.replace(/\.ts$/, '.js')), compile(file));
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

function compile(file: string): string {
  const source = readFileSync(new URL(file, import.meta.url), 'utf8');
  const at = join(kept, `${createHash('sha256').update(source).digest('hex')}.js`);
  if (existsSync(at)) return readFileSync(at, 'utf8');
  const ts = require('typescript') as typeof TypeScript;
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
  });
  mkdirSync(kept, { recursive: true });
  // Another test may be reading it: it is there when it is whole.
  writeFileSync(`${at}.${process.pid}`, outputText);
  renameSync(`${at}.${process.pid}`, at);
  return outputText;
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
