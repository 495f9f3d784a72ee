/** The environment of a run: the process's variables over those of a `.env` file. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { invalid } from './invalid.js';

/** @throws ReaperError `INVALID` where `.env` exists and cannot be read. */
export function readEnvironment(
  processEnv: NodeJS.ProcessEnv,
  directory: string,
): NodeJS.ProcessEnv {
  let text: string;
  try {
    text = readFileSync(`${directory}/.env`, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR') return processEnv;
    throw invalid(
      `.env must be readable, got ${code ?? 'an error'}; correct its permissions or remove it`,
    );
  }
  return { ...parseEnv(text), ...processEnv };
}
