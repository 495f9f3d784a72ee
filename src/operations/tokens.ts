/**
 * Tokens of the HTTP API: 256 random bits, shown once and kept as their SHA-256. With so many bits
 * there is nothing to guess, so the hash needs no salt and no work factor.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalid, ReaperError } from '../errors.js';
import {
  addToken,
  deleteOldLinks,
  deleteToken,
  readTokens,
  roles,
  type Role,
  type StoredToken,
} from '../ledger/tokens.js';
import { printable } from '../redact.js';
import { isoTime } from '../text.js';
import { recorded, userOfMachine } from './actions.js';
import type { Service } from './service.js';

export { roles, type Role, type StoredToken };

/** Who asks, and what they may. */
export interface Principal {
  name: string;
  role: Role;
}

type KnownToken = Principal & Pick<StoredToken, 'sha256' | 'expiresAtMs' | 'link'>;

export interface TokenRequest extends Principal {
  by: string;
  /** undefined: it never expires. */
  expiresAtMs: number | undefined;
}

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/**
 * Makes a token.
 *
 * @returns the token, which nobody can read again.
 * @throws ReaperError `INVALID` where the name cannot be one, `CONFLICT` where there is one of it.
 */
export async function createToken(service: Service, request: TokenRequest): Promise<string> {
  const { name, role, by } = request;
  if (!nameForm.test(name)) throw wrongName(name);
  const deed = { what: 'token.create', target: name };
  return recorded(
    service,
    by,
    deed,
    () => makeToken(service, request),
    () => ({ counts: { role } }),
  );
}

async function makeToken(
  { database, config }: Service,
  { name, role, by, expiresAtMs }: TokenRequest,
): Promise<string> {
  const token = `rr_${randomBytes(32).toString('base64url')}`;
  const row = { name, role, sha256: hashOf(token), by, expiresAtMs, link: undefined };
  if (await addToken(database, config.sdkAppId, row)) return token;
  throw new ReaperError(
    'CONFLICT',
    `a token's name must be its own, got ${shown(name)}, which there is already; take another, or revoke that one first`,
  );
}

/** How long a sign-in link counts, in milliseconds. */
export const linkMs = 10 * 60_000;

const linkForm = /^rr_once_[\w-]{43}$/;

/** Whether it has the form of the secret of a sign-in link. */
export const isLink = (secret: string) => linkForm.test(secret);

/**
 * Makes the secret of a link that signs a browser in as an operator, once, within ten minutes.
 *
 * It is kept as a token is, and is none: nobody asks with it. What it was used for goes by its row,
 * under the name `local`, so it is listed, and ends where that is revoked. Each link has a row of its
 * own: neither another server nor another start ends a session.
 *
 * @param now - milliseconds since the epoch.
 */
export async function createSignInLink(
  service: Service,
  now: () => number = Date.now,
): Promise<string> {
  const { database, config } = service;
  await deleteOldLinks(database, config.sdkAppId, now());
  const secret = `rr_once_${randomBytes(32).toString('base64url')}`;
  const row = { role: 'operator', sha256: hashOf(secret), link: 'open' } as const;
  const by = userOfMachine();
  const make = async () => {
    for (let count = 1; ; count += 1) {
      const name = count === 1 ? 'local' : `local-${count}`;
      const request = { ...row, name, by, expiresAtMs: now() + linkMs };
      if (await addToken(database, config.sdkAppId, request)) return name;
    }
  };
  await recorded(service, by, { what: 'link.create' }, make, (name) => ({ target: name }));
  return secret;
}

/** @param named - how the user calls it. @throws ReaperError `INVALID`. */
export function readRole(named: string, text: string): Role {
  const role = roles.find((each) => each === text);
  if (role !== undefined) return role;
  throw invalid(`${named} must be one of ${roles.join(', ')}, got ${shown(text)}`);
}

function wrongName(name: string): ReaperError {
  return invalid(
    `a token's name must be 1–64 letters, digits, dots, dashes, @ or underscores, beginning with a letter or digit, got ${shown(name)}; take another`,
  );
}

/** All of the app, also those that have expired. */
export function listTokens({ database, config }: Service): Promise<StoredToken[]> {
  return readTokens(database, config.sdkAppId);
}

/** The shape is a contract with scripts. The hash stays where it is. */
export function tokenJson(token: StoredToken): object {
  const { name, role, by, link = null } = token;
  const times = { createdAt: isoTime(token.createdAtMs), expiresAt: isoTime(token.expiresAtMs) };
  return { name, role, by, ...times, link };
}

/** @throws ReaperError `NOT_FOUND` where there is none of that name. */
export function revokeToken(service: Service, name: string, by?: string): Promise<void> {
  return recorded(service, by, { what: 'token.revoke', target: name }, () => remove(service, name));
}

async function remove({ database, config }: Service, name: string): Promise<void> {
  if (await deleteToken(database, config.sdkAppId, name)) return;
  throw new ReaperError(
    'NOT_FOUND',
    `a token must be named by its name, got ${shown(name)}, which is none's`,
  );
}

export interface TokenBook {
  /**
   * Whose token it is; undefined where it is nobody's, was revoked or has expired.
   *
   * @throws ReaperError `UNAVAILABLE` where that cannot be known.
   */
  find(token: string): Promise<Principal | undefined>;
  /** Whose session it is that began with the token, or by the link, of that SHA-256. */
  findByHash(sha256: Buffer): Promise<Principal | undefined>;
  /** As whom a link signs in; undefined where it is none, was used or ran out. */
  findLink(secret: string): Promise<Principal | undefined>;
  /** Whether there is no token that counts. Links are none. */
  isEmpty(): Promise<boolean>;
}

/** How long what was read counts, in milliseconds: so soon a revoked token is refused. */
const freshMs = 1_000;

/** How long it counts while it cannot be read again, in milliseconds. */
const staleMs = 300_000;

/** How far apart two reads begin, in milliseconds, however often somebody asks with what nobody knows. */
const apartMs = 100;

/** The tokens of the ledger, or of `file` where they are given in one. */
export function openTokenBook(service: Service, file: string | undefined): TokenBook {
  let known: { tokens: readonly KnownToken[]; readAtMs: number } | undefined;
  let reading: Promise<void> | undefined;
  let beganAtMs = Number.NEGATIVE_INFINITY;
  const readAtMs = () => known?.readAtMs ?? Number.NEGATIVE_INFINITY;

  async function read(): Promise<void> {
    await sleep(Math.max(0, beganAtMs + apartMs - performance.now()));
    beganAtMs = performance.now();
    const tokens = file === undefined ? await listTokens(service) : readTokensFile(file);
    known = { tokens, readAtMs: beganAtMs };
  }
  async function valid(mostMs = freshMs): Promise<readonly KnownToken[]> {
    const askedAtMs = performance.now();
    try {
      // A read that is under way may have begun before what is looked for was made.
      while (readAtMs() < askedAtMs - mostMs) {
        reading ??= read().finally(() => {
          reading = undefined;
        });
        await reading;
      }
    } catch (error) {
      // While the ledger is away nobody can revoke one either.
      if (askedAtMs - readAtMs() >= staleMs) throw error;
    }
    const now = Date.now();
    return (known?.tokens ?? []).filter(({ expiresAtMs = Infinity }) => expiresAtMs > now);
  }
  async function find(
    sha256: Buffer,
    links: readonly KnownToken['link'][],
    mostMs?: number,
  ): Promise<Principal | undefined> {
    let found: Principal | undefined;
    // All of them are looked at, so that the time tells nothing of which.
    for (const { name, role, link, sha256: each } of await valid(mostMs)) {
      if (timingSafeEqual(each, sha256) && links.includes(link)) found = { name, role };
    }
    return found;
  }
  /** It may have been made a moment ago, at another server too. */
  const findNew = async (sha256: Buffer, links: readonly KnownToken['link'][]) =>
    (await find(sha256, links)) ?? find(sha256, links, 0);
  return {
    find: (token) => findNew(hashOf(token), [undefined]),
    findByHash: (sha256) => findNew(sha256, [undefined, 'used']),
    findLink: async (secret) => (isLink(secret) ? findNew(hashOf(secret), ['open']) : undefined),
    isEmpty: async () => (await valid()).every(({ link }) => link !== undefined),
  };
}

/** Of a token that somebody else chose, shortest, in characters. */
const shortestToken = 32;

/**
 * Reads lines of `NAME ROLE TOKEN`; empty lines and those that begin with `#` say nothing.
 *
 * @throws ReaperError `INVALID` with the number of the line, and never with what it says.
 */
function readTokensFile(path: string): KnownToken[] {
  const shownAs = `SERVE_TOKENS_FILE (${JSON.stringify(path)})`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const { code = 'unreadable' } = cause as NodeJS.ErrnoException;
    throw invalid(`${shownAs} must be a readable file, got ${code}`, { cause });
  }
  const tokens = new Map<string, KnownToken>();
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [name = '', role = '', token = '', ...rest] = line.trim().split(/\s+/);
    const isRole = (value: string): value is Role => roles.some((each) => each === value);
    const at = `${shownAs}: line ${index + 1}`;
    if (!nameForm.test(name) || !isRole(role) || rest.length > 0 || token.length < shortestToken) {
      throw invalid(
        `${at} must be NAME ROLE TOKEN, with a role of ${roles.join(', ')} and a token of at least ${shortestToken} characters; correct it`,
      );
    }
    if (tokens.has(name)) throw invalid(`${at} must have a name of its own; correct it`);
    const sha256 = hashOf(token);
    tokens.set(name, { name, role, sha256, expiresAtMs: undefined, link: undefined });
  }
  return [...tokens.values()];
}

/** The SHA-256 of a token or of the secret of a session: what of it is kept. */
export function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function shown(name: string): string {
  return JSON.stringify(printable(name));
}
