/** A report as a file, which appears when it is whole. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Stats } from 'node:fs';
import { link, lstat, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { invalid, ReaperError } from '../errors.js';
import { printable } from '../redact.js';

export interface ReportOutput {
  write(text: string): Promise<void>;
  /** Makes a file appear, with its digest beside it; nothing to do on a stream. */
  finish(): Promise<void>;
  /** Leaves nothing behind where it was not finished. */
  close(): Promise<void>;
}

/** Waits where whoever reads it is slow: nothing piles up. */
export function toStream(stream: NodeJS.WritableStream): ReportOutput {
  return {
    async write(text) {
      if (!stream.write(text)) await once(stream, 'drain');
    },
    finish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** How the user calls what says where it goes, and that it may replace a file: `--output`, `--force`. */
interface Names {
  output: string;
  force: string;
}

/**
 * @param force - replaces a file that is there.
 * @throws ReaperError `INVALID` where there is such a file and it is not to be replaced, or none
 *   can be made there.
 */
export async function openReportFile(
  names: Names,
  file: string,
  force: boolean,
): Promise<ReportOutput> {
  const digestFile = `${file}.sha256`;
  const replaced = await mustBeFree(names, file, force);
  await mustBeFree(names, digestFile, force);
  const temporary = `${file}.${randomUUID()}.tmp`;
  const hash = createHash('sha256');
  const orCannotWrite = <R>(written: Promise<R>): Promise<R> =>
    written.catch((error: unknown) => {
      throw error instanceof ReaperError ? error : cannotWrite(names, file, error);
    });
  const handle = await orCannotWrite(open(temporary, 'wx'));
  let isOpen = true;
  let isThere = true;

  async function closeFile(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  }
  async function finish(): Promise<void> {
    // Who may read it stays as it was.
    if (replaced !== undefined) await handle.chmod(replaced.mode & 0o777);
    await handle.sync();
    await closeFile();
    await mustBeFree(names, file, force);
    if (force) await rename(temporary, file);
    else await moveWithoutReplacing(names, temporary, file);
    isThere = false;
    // The form of `sha256sum --check`.
    await writeFile(digestFile, `${hash.digest('hex')}  ${basename(file)}\n`);
  }
  return {
    async write(text) {
      hash.update(text);
      await orCannotWrite(handle.writeFile(text));
    },
    finish: () => orCannotWrite(finish()),
    async close() {
      await closeFile().catch(() => undefined);
      if (isThere) await rm(temporary, { force: true });
    },
  };
}

/** A file may have been made there while the report was written. */
async function moveWithoutReplacing(names: Names, from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(names, to);
    // A file system without links.
    await mustBeFree(names, to, false);
    await rename(from, to);
    return;
  }
  await rm(from);
}

/**
 * A device, a pipe or a link is not replaced by a file, whatever is forced: others use it.
 *
 * @returns the file that may be replaced there, where there is one.
 */
async function mustBeFree(names: Names, file: string, force: boolean): Promise<Stats | undefined> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isFile()) {
    throw invalid(
      `${names.output} must name a file, got ${JSON.stringify(printable(file))}, which is a link, a directory, a device or a pipe; name a file, or leave ${names.output} out and redirect standard output`,
    );
  }
  if (!force) throw exists(names, file);
  return found;
}

function exists({ output, force }: Names, file: string): ReaperError {
  return invalid(
    `${output} must name a file that does not exist, got ${JSON.stringify(printable(file))}; name another, or replace it with ${force}`,
  );
}

function cannotWrite({ output }: Names, file: string, error: unknown): ReaperError {
  const { code } = error as NodeJS.ErrnoException;
  return invalid(
    `${output} must name a file that can be written, got ${JSON.stringify(printable(file))} (${code ?? 'an error'}); name another`,
    { cause: error },
  );
}
