/**
 * Runs `npm test` ten times in a row beside two busy loops, which take both cores of the
 * machine that the tests are meant for, and says how each run ended: a test that depends on
 * how fast the machine is shows itself here.
 *
 * npm run test:load [-- RUNS]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const runs = Number(process.argv[2] ?? 10);
// A loop ends with this process, however that ends: then its pipe does.
const loop = `process.stdin.on('end', () => process.exit()).resume();
  (function turn() { const until = Date.now() + 50; while (Date.now() < until); setImmediate(turn); })();`;
const loops = [1, 2].map(() =>
  spawn(process.execPath, ['-e', loop], { stdio: ['pipe', 'ignore', 'inherit'] }),
);

let failed = 0;
for (let run = 1; run <= runs; run++) {
  const startedAt = performance.now();
  const tests = spawn('npm', ['test', '--', '--reporter=dot'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  tests.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(tests, 'close');
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`run ${run} of ${runs}: ${code === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
  if (code === 0) continue;
  failed += 1;
  console.log(output);
}
for (const each of loops) each.stdin.end();
console.log(`${runs - failed} of ${runs} runs passed beside two busy loops`);
process.exitCode = failed === 0 ? 0 : 1;
