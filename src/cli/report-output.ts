/** Where `report` writes to: stdout, or a file that appears when it is whole. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { link, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ReaperError } from '../errors.js';
import { printable } from '../redact.js';
import { invalid } from './invalid.js';
import type { Io } from './io.js';

export interface ReportOutput {
  write(text: string): Promise<void>;
  /** Makes a file appear, with its digest beside it; nothing to do on stdout. */
  finish(): Promise<void>;
  /** Leaves nothing behind where it was not finished. */
  close(): Promise<void>;
}

/**
 * @param file - undefined or `-`: stdout.
 * @throws ReaperError `INVALID` where there is such a file and it is not to be replaced, or none
 *   can be made there.
 */
export async function openReportOutput(
  file: string | undefined,
  force: boolean,
  io: Io,
): Promise<ReportOutput> {
  return file === undefined || file === '-' ? toStdout(io) : toFile(file, force);
}

function toStdout(io: Io): ReportOutput {
  return {
    async write(text) {
      if (!io.stdout.write(text)) await once(io.stdout, 'drain');
    },
    finish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

async function toFile(file: string, force: boolean): Promise<ReportOutput> {
  const digestFile = `${file}.sha256`;
  if (!force) for (const each of [file, digestFile]) await mustNotExist(each);
  const temporary = `${file}.${process.pid}.tmp`;
  const hash = createHash('sha256');
  const handle = await open(temporary, 'wx').catch((error: unknown) => {
    throw cannotWrite(file, error);
  });
  let isOpen = true;
  let isThere = true;

  async function closeFile(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  }
  return {
    async write(text) {
      hash.update(text);
      try {
        await handle.writeFile(text);
      } catch (error) {
        throw cannotWrite(file, error);
      }
    },
    async finish() {
      await handle.sync();
      await closeFile();
      if (force) await rename(temporary, file);
      else await moveWithoutReplacing(temporary, file);
      isThere = false;
      // The form of `sha256sum --check`.
      await writeFile(digestFile, `${hash.digest('hex')}  ${basename(file)}\n`);
    },
    async close() {
      await closeFile();
      if (isThere) await rm(temporary, { force: true });
    },
  };
}

/** A file may have been made there while the report was written. */
async function moveWithoutReplacing(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(to);
    // A file system without links.
    await mustNotExist(to);
    await rename(from, to);
    return;
  }
  await rm(from);
}

async function mustNotExist(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined) throw exists(file);
}

function exists(file: string): ReaperError {
  return invalid(
    `--output must name a file that does not exist, got ${JSON.stringify(printable(file))}; name another, or replace it with --force`,
  );
}

function cannotWrite(file: string, error: unknown): ReaperError {
  const { code } = error as NodeJS.ErrnoException;
  return invalid(
    `--output must name a file that can be written, got ${JSON.stringify(printable(file))} (${code ?? 'an error'}); name another`,
    { cause: error },
  );
}
