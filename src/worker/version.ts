import { readFileSync } from 'node:fs';
import { ownFile } from '../own-file.js';

/** The version of this package: from the sources and from dist/ alike two folders above. */
export function packageVersion(): string {
  const file = ownFile('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
