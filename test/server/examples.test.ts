/** The examples of docs/api.md do what they say. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { folderWith } from '../e2e/room-reaper.js';
import { useServer } from './fixture.js';

const app = useServer();
const api = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const hasGo = spawnSync('go', ['version']).status === 0;
const blocks = (language: string) =>
  [...api.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code = '']) => code,
  );

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { url } = app.server;
  // Go keeps what it compiled there: all of its library, the first time.
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, REAPER: url, TOKEN: app.tokens.operator };
  return (await promisify(execFile)(command, args, { cwd, env })).stdout;
}

test('Python asks for a room and a list, and follows the batch', async () => {
  const [code = ''] = blocks('python');
  const printed = await run('python3', ['-c', code], folderWith());
  expect(printed).toMatch(/^added [\w-]{36}\n(enqueuing|waiting) 0 of 3\n$/);
});

test('Go sends a list, and follows the batch', async ({ skip }) => {
  if (!hasGo) skip('there is no go on the PATH');
  const [code = ''] = blocks('go');
  const folder = folderWith({ 'main.go': code });
  // Formatted as gofmt has it: it lists what is not.
  expect(await run('gofmt', ['-l', 'main.go'], folder)).toBe('');
  expect(await run('go', ['run', 'main.go'], folder)).toMatch(/^(enqueuing|waiting) 0 of 2\n$/);
});

test('curl sends a list', async () => {
  const curls = blocks('sh').flatMap(
    (code) => /^curl .*--data-binary(?:\\\n|.)*$/m.exec(code)?.[0] ?? [],
  );
  expect(curls).toHaveLength(1);
  const folder = folderWith({ 'rooms.txt': 'curl-1\ncurl-2\n' });
  const command = (curls[0] ?? '').replace('http://127.0.0.1:8700', app.server.url);
  const printed = await run('sh', ['-c', command.replace('curl ', 'curl --silent ')], folder);
  expect(JSON.parse(printed)).toMatchObject({ name: 'new-year', unique: 2 });
});
