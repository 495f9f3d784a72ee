import { existsSync } from 'node:fs';
import { ReaperError } from './errors.js';

/**
 * A file that the package brings, which a bundle leaves behind.
 *
 * @param path - from the folder of the importer.
 * @param importer - its `import.meta.url`: undefined in a bundle in CommonJS.
 * @throws ReaperError `UNAVAILABLE` where it is not there.
 */
export function ownFile(path: string, importer: string | undefined): URL {
  const file = importer === undefined ? undefined : new URL(path, importer);
  if (file !== undefined && existsSync(file)) return file;
  throw new ReaperError(
    'UNAVAILABLE',
    `room-reaper must find its own files, got no ${path.replace(/^[./]+/, '')}; where a bundler made this program, leave room-reaper out of the bundle (external), and in the sources run npm run build`,
  );
}

/** One that is compiled, which sources that run as TypeScript (tests) find in dist/. @throws as {@link ownFile}. */
export function compiledFile(path: string, importer: string | undefined): URL {
  return ownFile(importer?.endsWith('.ts') ? `../../dist/${path}` : `../${path}`, importer);
}
