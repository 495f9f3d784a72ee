import { isMadeWith, readUserSig, type UserSig } from './user-sig.js';

/** Verified UserSigs that are remembered; a worker uses one for many hours. */
const REMEMBERED = 1_024;

/**
 * Judges UserSigs for one app.
 *
 * Making signatures invalid (what `im_open_login_svc/kick` does) refuses every UserSig made
 * in an earlier second, and of this second every one that was used already. So a UserSig
 * made anew works even within the same second, provided its text differs: the generator
 * is deterministic, and the same second and validity give the same text.
 */
export class Signatures {
  readonly #sdkAppId: number;
  readonly #secretKey: string;
  readonly #verified = new Map<string, UserSig>();
  readonly #invalidated = new Set<string>();
  #validFromSecond = Number.NEGATIVE_INFINITY;

  constructor(app: { sdkAppId: number; secretKey: string }) {
    this.#sdkAppId = app.sdkAppId;
    this.#secretKey = app.secretKey;
  }

  /**
   * ErrorCode for `text` presented by `identifier` for `sdkAppId` at `nowMs`; 0 when it is
   * good. An app that does not exist has no key to check with, so 70020 comes first.
   */
  check(text: string, sdkAppId: number, identifier: string, nowMs: number): number {
    if (text === '') return 70002;
    if (sdkAppId !== this.#sdkAppId) return 70020;
    const verified = this.#verified.get(text) ?? this.#verify(text);
    if (typeof verified === 'number') return verified;
    if (verified.identifier !== identifier) return 70013;
    if (nowMs >= (verified.time + verified.expire) * 1_000) return 70001;
    if (verified.time < this.#validFromSecond || this.#invalidated.has(text)) return 70052;
    return 0;
  }

  invalidate(nowMs: number): void {
    this.#validFromSecond = Math.floor(nowMs / 1_000);
    for (const [text, { time }] of this.#verified) {
      if (time >= this.#validFromSecond) this.#invalidated.add(text);
    }
  }

  #verify(text: string): UserSig | number {
    const read = readUserSig(text);
    if (!read.ok) return read.code;
    const { userSig } = read;
    if (userSig.sdkAppId !== this.#sdkAppId) return 70014;
    if (!isMadeWith(userSig, this.#secretKey)) return 70009;
    if (this.#verified.size >= REMEMBERED) this.#forgetOldest();
    this.#verified.set(text, userSig);
    return userSig;
  }

  #forgetOldest(): void {
    for (const text of this.#verified.keys()) {
      this.#verified.delete(text);
      return;
    }
  }
}
