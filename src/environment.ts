/** The environment of a run: the process's variables over those of a `.env` file. */
import { readFileSync } from 'node:fs';
import { ReaperError } from './errors.js';
import { withoutPassword } from './redact.js';
import { nearMisses } from './variable-names.js';

/**
 * @param onNotice - told what may not be meant.
 * @throws ReaperError `INVALID` where `.env` exists and cannot be read, or has a line that is not
 *   understood: a variable that is silently dropped could be the one that protects rooms.
 */
export function readEnvironment(
  processEnv: NodeJS.ProcessEnv,
  directory: string,
  onNotice: (message: string) => void = () => undefined,
): NodeJS.ProcessEnv {
  const fromFile = parseEnvFile(readEnvFile(directory));
  const environment = { ...valuesOf(fromFile), ...processEnv };
  for (const { name, problem } of nearMisses(environment)) {
    const line = fromFile.get(name)?.line;
    if (line !== undefined) throw invalid(`.env: line ${line}: ${problem}`);
    // It may be another program's.
    onNotice(`warning: ${problem}`);
  }
  const set = (name: string) => Boolean(processEnv[name]);
  const endpoint = ['TENCENT_ENDPOINT', 'TENCENT_REGION'].find(
    (name) => fromFile.get(name)?.value && processEnv[name] === undefined,
  );
  if (endpoint && (set('TENCENT_SECRET_KEY') || set('TENCENT_SECRET_KEY_FILE'))) {
    onNotice(
      `${endpoint} is that of .env in this directory, the key is not: requests signed with it go to ${withoutPassword(fromFile.get(endpoint)?.value ?? '')}`,
    );
  }
  return environment;
}

/** The file's text; empty where there is none. */
function readEnvFile(directory: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(`${directory}/.env`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EISDIR') return '';
    throw invalid(
      `.env must be readable, got ${code ?? 'an error'}; correct its permissions or remove it`,
    );
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text.replace(/\r\n?/g, '\n');
  } catch {
    // Said below.
  }
  throw invalid('.env must be plain text in UTF-8, got another encoding; save it as UTF-8');
}

interface Entry {
  value: string;
  line: number;
}

const blank = /[^\S\n]*(?:#[^\n]*)?(?:\n|$)/y;

/** `NAME=value` or `NAME: value`; the value in quotes, which may hold line breaks, or up to a `#`. */
const assignment =
  /[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)(?:[^\S\n]*=|:(?=\s|$))[^\S\n]*(?:'((?:\\'|[^'])*)'|"((?:\\"|[^"])*)"|`((?:\\`|[^`])*)`|([^\s'"`#][^#\n]*)?)[^\S\n]*(?:#[^\n]*)?(?:\n|$)/y;

/**
 * Reads it by the rules of dotenv (https://github.com/motdotla/dotenv#rules). dotenv itself, and
 * Node's parser, drop what they do not understand, and what stands next to it.
 *
 * @throws ReaperError `INVALID` with the number of the first line that is not understood; never
 *   with what it says, which may be a key.
 */
function parseEnvFile(text: string): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  let line = 1;
  for (let at = 0; at < text.length;) {
    blank.lastIndex = at;
    assignment.lastIndex = at;
    const found = blank.exec(text) ?? assignment.exec(text);
    if (found === null) throw notUnderstood(line);
    const [whole, name, single, double, backtick, plain] = found;
    if (name !== undefined) {
      const expanded = double?.replaceAll('\\n', '\n').replaceAll('\\r', '\r');
      entries.set(name, { value: single ?? expanded ?? backtick ?? plain?.trim() ?? '', line });
    }
    at += whole.length;
    line += whole.split('\n').length - 1;
  }
  return entries;
}

function notUnderstood(line: number): ReaperError {
  return invalid(
    `.env: line ${line} must be NAME=value, a comment that begins with #, or blank; correct it (a value that begins with a quote must end with the same quote)`,
  );
}

function valuesOf(entries: ReadonlyMap<string, Entry>): Record<string, string> {
  return Object.fromEntries([...entries].map(([name, { value }]) => [name, value]));
}

function invalid(message: string): ReaperError {
  return new ReaperError('INVALID', message);
}
