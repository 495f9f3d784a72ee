import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openReportFile } from '../../src/operations/report-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'room-reaper-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const names = { output: '--output', force: '--force' };

async function report(name: string, force: boolean): Promise<void> {
  const output = await openReportFile(names, join(folder, name), force);
  try {
    await output.write('rooms\n');
    await output.finish();
  } finally {
    await output.close();
  }
}

describe.skipIf(process.platform === 'win32')('what is no file is never replaced', () => {
  const made: Record<string, (path: string) => void> = {
    'a pipe': (path) => void execFileSync('mkfifo', [path]),
    'a directory': (path) => mkdirSync(path),
    'a link to a file': (path) => {
      writeFileSync(join(folder, 'other'), 'theirs');
      symlinkSync(join(folder, 'other'), path);
    },
    'a link to a device': (path) => symlinkSync('/dev/null', path),
    'a link to nothing': (path) => symlinkSync(join(folder, 'nowhere'), path),
  };
  test.each(
    Object.keys(made).flatMap((what) => [
      ...[true, false].map((force) => [what, 'out', force] as const),
      [what, 'out.sha256', true] as const,
    ]),
  )('%s at %s (forced: %s)', async (what, name, force) => {
    made[what]?.(join(folder, name));
    const [before, kind] = [readdirSync(folder), lstatSync(join(folder, name)).mode];
    await expect(report('out', force)).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringMatching(
        /^--output must name a file, got .* which is a link,/,
      ) as string,
    });
    expect(readdirSync(folder)).toEqual(before);
    expect(lstatSync(join(folder, name)).mode).toBe(kind);
    if (before.includes('other'))
      expect(readFileSync(join(folder, 'other'), 'utf8')).toBe('theirs');
  });

  test('a device', async () => {
    await expect(openReportFile(names, '/dev/null', true)).rejects.toThrow(/must name a file, got/);
  });
});

test('a file is replaced where it is forced, and stays as private as it was', async () => {
  writeFileSync(join(folder, 'out'), 'old');
  chmodSync(join(folder, 'out'), 0o600);
  await expect(report('out', false)).rejects.toThrow(/does not exist/);
  await report('out', true);
  expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('rooms\n');
  expect(statSync(join(folder, 'out')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['out', 'out.sha256']);
});

test('where its directory goes meanwhile, the error is about the file, and no bug', async () => {
  mkdirSync(join(folder, 'sub'));
  const output = await openReportFile(names, join(folder, 'sub', 'out'), false);
  rmSync(join(folder, 'sub'), { recursive: true });
  await expect(output.finish()).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(/^--output must name a file that can be written/) as string,
  });
  await output.close();
});
