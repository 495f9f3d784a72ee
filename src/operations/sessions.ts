/**
 * Sessions: a browser gives a token once and has a cookie for it, whose secret is of no use without
 * the ledger.
 *
 * They are kept in the ledger, by the SHA-256 of the secret and that of the token, and not signed:
 * any server knows them, also after a restart, and each can be ended by itself. Whose a session is
 * and what it may is asked of its token each time, so that it ends when that is revoked or expires.
 */
import { randomBytes } from 'node:crypto';
import { addSession, deleteSession, readSession, type StoredSession } from '../ledger/sessions.js';
import type { Service } from './service.js';
import { hashOf, type Principal, type TokenBook } from './tokens.js';

/** How long a session counts, in milliseconds. */
export const sessionMs = 12 * 3_600_000;

/** Most sessions of one token; one more ends the oldest. */
const mostOfToken = 50;

export interface NewSession {
  principal: Principal;
  /** Of the cookie; nobody can read it again. */
  secret: string;
  expiresAtMs: number;
}

export interface SessionBook {
  /**
   * Begins a session with a token, or by a sign-in link; undefined: it does not count.
   *
   * @throws where the ledger cannot say, or cannot keep it.
   */
  begin(token: string): Promise<NewSession | undefined>;
  /**
   * Whose session it is; undefined where it is none, or has ended, or its token does not count.
   *
   * @throws where that cannot be known.
   */
  find(secret: string): Promise<Principal | undefined>;
  /** Ends a session here at once, and at other servers within a second. */
  end(secret: string): Promise<void>;
}

/** How long what was read counts, in milliseconds: so soon a session has ended everywhere. */
const freshMs = 1_000;

/** How long it counts while it cannot be read again, in milliseconds. */
const staleMs = 300_000;

/** Most sessions that are remembered; the others are read each time. */
const mostKnown = 1_000;

const secretForm = /^[\w-]{43}$/;

/** @param now - milliseconds since the epoch. */
export function openSessionBook(
  { database, config: { sdkAppId } }: Pick<Service, 'database' | 'config'>,
  tokens: TokenBook,
  now: () => number = Date.now,
): SessionBook {
  const known = new Map<string, { session: StoredSession; readAtMs: number }>();

  async function read(sha256: Buffer): Promise<StoredSession | undefined> {
    const key = sha256.toString('base64url');
    const readAtMs = performance.now();
    const kept = known.get(key);
    const ageMs = readAtMs - (kept?.readAtMs ?? Number.NEGATIVE_INFINITY);
    if (kept !== undefined && ageMs < freshMs) return kept.session;
    try {
      const session = await readSession(database, sdkAppId, sha256);
      remember(key, session && { session, readAtMs });
      return session;
    } catch (error) {
      // While the ledger is away nobody can end one either.
      if (kept !== undefined && ageMs < staleMs) return kept.session;
      throw error;
    }
  }
  function remember(key: string, seen: { session: StoredSession; readAtMs: number } | undefined) {
    known.delete(key);
    if (seen === undefined) return;
    const [oldest] = known.keys();
    if (oldest !== undefined && known.size >= mostKnown) known.delete(oldest);
    known.set(key, seen);
  }
  return {
    async begin(token) {
      const owner = await tokens.find(token);
      const principal = owner ?? (await tokens.findLink(token));
      if (principal === undefined) return undefined;
      const secret = randomBytes(32).toString('base64url');
      const nowMs = now();
      const expiresAtMs = nowMs + sessionMs;
      const session = { sha256: hashOf(secret), tokenSha256: hashOf(token), expiresAtMs };
      const options = { nowMs, most: mostOfToken, isLink: owner === undefined };
      const isBegun = await addSession(database, sdkAppId, session, options);
      return isBegun ? { principal, secret, expiresAtMs } : undefined;
    },
    async find(secret) {
      const session = secretForm.test(secret) ? await read(hashOf(secret)) : undefined;
      if (session === undefined || session.expiresAtMs <= now()) return undefined;
      return tokens.findByHash(session.tokenSha256);
    },
    async end(secret) {
      if (!secretForm.test(secret)) return;
      const sha256 = hashOf(secret);
      await deleteSession(database, sdkAppId, sha256);
      known.delete(sha256.toString('base64url'));
    },
  };
}
