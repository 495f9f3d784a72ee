import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/**
 * A shell process, one for each process of the tests, that reads a pipe held by that process
 * alone. It is told of folders. When one is to end, and with all that are left when the pipe
 * ends because its holder is gone in whatever way (kill -9 included), it ends the process
 * whose id is in `<folder>/pid` and removes the folder. So there is one way of cleaning up,
 * every test takes it, and nothing outlives a crashed run.
 */
let keeper: ChildProcessByStdio<Writable, Readable, null> | undefined;

/** Who waits for the end of a folder. */
const waiting = new Map<string, () => void>();

/** @param endSignal - ends the server in the folder at once but cleanly. */
export function keep(folder: string, endSignal: NodeJS.Signals): { end: () => Promise<void> } {
  const { stdin } = (keeper ??= start());
  const signal = endSignal.slice('SIG'.length);
  stdin.write(`keep ${signal} ${folder}\n`);
  let gone: Promise<void> | undefined;
  return {
    end() {
      gone ??= new Promise<void>((resolve) => {
        waiting.set(folder, resolve);
        holdThisProcess();
        stdin.write(`end ${signal} ${folder}\n`);
      });
      return gone;
    },
  };
}

function start(): ChildProcessByStdio<Writable, Readable, null> {
  const child = spawn('sh', keeperArguments, {
    stdio: ['pipe', 'pipe', 'ignore'],
    // Out of the terminal's group: Ctrl-C reaches the test run, whose end ends the keeper.
    detached: true,
  });
  child.unref();
  createInterface({ input: child.stdout }).on('line', (folder) => {
    waiting.get(folder)?.();
    waiting.delete(folder);
    holdThisProcess();
  });
  (child.stdout as Held).unref();
  return child;
}

/** What a pipe can do, and its type does not say. */
interface Held extends Readable {
  ref(): void;
  unref(): void;
}

/** As long as somebody waits. */
function holdThisProcess(): void {
  const stdout = keeper?.stdout as Held | undefined;
  if (waiting.size > 0) stdout?.ref();
  else stdout?.unref();
}

const script = `
finish() {
  if [ -s "$2/pid" ]; then
    pid=$(cat "$2/pid")
    kill -s "$1" "$pid"
    # A server that a test left stopped (SIGSTOP) must run to see the signal.
    kill -s CONT "$pid"
    tries=0
    while kill -0 "$pid" && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill -s KILL "$pid"
  fi
  # A Postgres that was killed leaves a System V segment behind; its id is in line 7.
  if [ -f "$2/data/postmaster.pid" ]; then
    ipcrm -m "$(sed -n '7s/.* //p' "$2/data/postmaster.pid")"
  fi
  rm -rf "$2"
}
kept=
while read -r order signal folder; do
  if [ "$order" = keep ]; then
    kept="$kept$signal $folder
"
  else
    { finish "$signal" "$folder"; echo "$folder"; } &
  fi
done
# What was ended before has no folder any more.
printf %s "$kept" | while read -r signal folder; do
  [ -d "$folder" ] && finish "$signal" "$folder" &
done
`;

export const keeperArguments = ['-c', script, 'keeper'];
