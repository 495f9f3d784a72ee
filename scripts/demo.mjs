// The README's first command: builds, starts the simulator, destroys the example rooms. With
// `--faulty` only those that meet a fault: as much is seen of another Node for half the work.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import './build.mjs';

// The clone may belong to another user than who tries it, root in a container, say.
const dataDir = mkdtempSync(join(tmpdir(), 'room-reaper-demo-'));
const faults = 'examples/faults.txt';
let list = 'examples/rooms.txt';
if (process.argv.includes('--faulty')) {
  list = join(dataDir, 'faulty-rooms.txt');
  writeFileSync(list, readFileSync(faults, 'utf8').replace(/\t.*/g, ''));
}
const destroy = spawn(
  process.execPath,
  ['dist/cli/main.js', 'destroy', ...[list, '--simulate-faults', faults, '--yes']],
  { stdio: 'inherit', env: { ...process.env, ROOM_REAPER_DATA_DIR: dataDir } },
);
const [code] = await once(destroy, 'exit');
rmSync(dataDir, { recursive: true, force: true });

// One example room is refused, so the exit code that says "some room is not gone" is right.
if (code !== 1) {
  console.error(`demo: destroy must exit 1 because of the refused room, got ${code}`);
  process.exit(1);
}
console.log(
  '\nexit code 1: the refused room is not gone. See room-reaper destroy --help for your own list.',
);
