import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * A small shell process that reads a pipe held by this process alone. When the pipe ends,
 * because of `end` or because this process is gone in whatever way (kill -9 included), the
 * keeper ends the process whose id is in `<folder>/pid` and removes the folder. So there
 * is one way of cleaning up, every test takes it, and nothing outlives a crashed run.
 */
export function startKeeper(
  folder: string,
  endSignal: NodeJS.Signals,
): { end: () => Promise<void> } {
  const keeper = spawn('sh', keeperArguments(folder, endSignal), {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Out of the terminal's group: Ctrl-C reaches the test run, whose end ends the keeper.
    detached: true,
  });
  const gone = once(keeper, 'exit');
  keeper.unref();
  return {
    async end() {
      keeper.ref();
      keeper.stdin.end();
      await gone;
    },
  };
}

export function keeperArguments(folder: string, endSignal: NodeJS.Signals): string[] {
  return ['-c', script, 'keeper', folder, endSignal.slice('SIG'.length)];
}

/** $1 the folder, $2 the signal that ends the server at once but cleanly. */
const script = `
cat > /dev/null
if [ -f "$1/pid" ]; then
  pid=$(cat "$1/pid")
  kill -s "$2" "$pid"
  # A server that a test left stopped (SIGSTOP) must run to see the signal.
  kill -s CONT "$pid"
  tries=0
  while kill -0 "$pid" && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -s KILL "$pid"
fi
# A Postgres that was killed leaves a System V segment behind; its id is in line 7.
if [ -f "$1/data/postmaster.pid" ]; then
  ipcrm -m "$(sed -n '7s/.* //p' "$1/data/postmaster.pid")"
fi
rm -rf "$1"
`;
