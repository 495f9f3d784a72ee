/**
 * What one answer of the API (or the lack of one) means: the verdict table.
 *
 * Pure: no clock, no I/O. Codes and meanings are from
 * https://trtc.io/document/34348, https://trtc.io/document/60027 and
 * https://trtc.io/document/63398; the verdict words are a contract.
 */
import { proxyRefused, type Answer } from './answer.js';
import type { Statistics } from '../destruction.js';

export const verdictWords = [
  'destroyed',
  'gone',
  'transient',
  'over_quota',
  'stale_signature',
  'stop_line',
  'rejected',
] as const;

export type VerdictWord = (typeof verdictWords)[number];

export interface Verdict {
  word: VerdictWord;
  /** Why, in words: shown in logs, metrics, the ledger and the final error. */
  reason: string;
  /** What to do about it, where a person must do something. */
  remedy?: string;
  /** Whether the room may have been destroyed although we were not told so. */
  mayHaveActed: boolean;
  /** Of a reason to stop: it is about this one command, and says nothing of the others of the app. */
  ofCommand?: true;
  statistics?: Statistics;
}

interface Meaning {
  word: VerdictWord;
  reason: string;
  remedy?: string;
  mayHaveActed?: true;
  ofCommand?: true;
}

const checkCredentials =
  'check TENCENT_SDK_APP_ID, TENCENT_SECRET_KEY and TENCENT_ADMIN_IDENTIFIER against the console, then run `room-reaper resume`';
const checkRegion =
  'set TENCENT_REGION (or TENCENT_ENDPOINT) to the region of the app, then run `room-reaper resume`';
const checkAccount = 'make TENCENT_ADMIN_IDENTIFIER an app admin account in the console';

const meanings: Readonly<Record<number, Meaning>> = {
  0: { word: 'destroyed', reason: 'destroyed' },
  100004: { word: 'gone', reason: 'the room does not exist' },

  100001: { word: 'transient', reason: 'internal error of the API' },
  60008: { word: 'transient', reason: 'service timed out', mayHaveActed: true },
  60013: { word: 'transient', reason: 'the API could not parse its own reply', mayHaveActed: true },
  60014: { word: 'transient', reason: 'server timeout' },
  70169: { word: 'transient', reason: 'server internal timeout' },
  70202: { word: 'transient', reason: 'server internal timeout' },
  70500: { word: 'transient', reason: 'server internal error' },

  60007: { word: 'over_quota', reason: 'this command is over its frequency' },
  60011: { word: 'over_quota', reason: 'the whole SDKAppID is over its frequency' },
  60018: { word: 'over_quota', reason: 'too frequent' },
  60019: { word: 'over_quota', reason: 'too frequent' },
  100012: { word: 'over_quota', reason: 'too frequent' },

  60004: {
    word: 'stale_signature',
    reason: 'account or signature check failed',
    remedy: checkCredentials,
  },
  60005: {
    word: 'stale_signature',
    reason: 'account or signature check failed',
    remedy: checkCredentials,
  },
  70001: {
    word: 'stale_signature',
    reason: 'UserSig expired',
    remedy: 'check the clock of this machine',
  },
  70052: { word: 'stale_signature', reason: 'UserSig was made invalid', remedy: checkCredentials },

  60002: {
    word: 'stop_line',
    reason: 'the URL is wrong',
    remedy: 'check TENCENT_ENDPOINT',
    ofCommand: true,
  },
  60009: {
    word: 'stop_line',
    reason: 'the requested resource is wrong',
    remedy: 'check TENCENT_ENDPOINT',
    ofCommand: true,
  },
  60006: { word: 'stop_line', reason: 'SDKAppID is invalid', remedy: checkCredentials },
  60012: { word: 'stop_line', reason: 'SDKAppID is missing', remedy: checkCredentials },
  60016: {
    word: 'stop_line',
    reason: 'the request is disabled',
    remedy: 'enable the app in the console',
  },
  60017: {
    word: 'stop_line',
    reason: 'SDKAppID is disabled',
    remedy: 'enable the app in the console',
  },
  60010: { word: 'stop_line', reason: 'app admin is required', remedy: checkAccount },
  70403: { word: 'stop_line', reason: 'app admin is required', remedy: checkAccount },
  60020: {
    word: 'stop_line',
    reason: 'the package is missing, expired or in arrears',
    remedy: 'buy or renew the package in the console; it works about five minutes later',
  },
  60021: {
    word: 'stop_line',
    reason: 'the IP address of this worker is not allowed',
    remedy: "add this worker's address to the app's allow list in the console",
  },
  60025: { word: 'stop_line', reason: 'URL parameters are wrong', remedy: checkCredentials },
  60026: { word: 'stop_line', reason: 'the host does not match the SDKAppID', remedy: checkRegion },
  60027: {
    word: 'stop_line',
    reason: 'the product is not allowed for this app',
    remedy: 'enable Live in the console',
  },
  60028: {
    word: 'stop_line',
    reason: 'the daily volume of the trial edition is used up',
    remedy: 'upgrade the app, or wait for the next day',
  },
  70002: { word: 'stop_line', reason: 'UserSig is empty', remedy: checkCredentials },
  70003: { word: 'stop_line', reason: 'UserSig is illegal', remedy: checkCredentials },
  70005: { word: 'stop_line', reason: 'UserSig is truncated', remedy: checkCredentials },
  70009: {
    word: 'stop_line',
    reason: 'UserSig was made with the wrong key',
    remedy: checkCredentials,
  },
  70013: { word: 'stop_line', reason: 'UserSig is of another user', remedy: checkCredentials },
  70014: { word: 'stop_line', reason: 'UserSig is of another app', remedy: checkCredentials },
  70016: { word: 'stop_line', reason: 'no such key or app on this host', remedy: checkRegion },
  70020: { word: 'stop_line', reason: 'no such app on this host', remedy: checkRegion },
  70050: {
    word: 'stop_line',
    reason: 'the signature is wrong and was sent too often',
    remedy: checkCredentials,
  },
  70051: { word: 'stop_line', reason: 'the account is blocked', remedy: checkAccount },
  70107: { word: 'stop_line', reason: 'the account does not exist', remedy: checkAccount },
  70114: { word: 'stop_line', reason: 'the account is restricted', remedy: checkAccount },
  100007: {
    word: 'stop_line',
    reason: 'no package was bought',
    remedy: 'buy a Live package in the console',
  },

  60003: { word: 'rejected', reason: 'the body is not JSON' },
  60015: { word: 'rejected', reason: 'a field has the wrong type' },
  70402: { word: 'rejected', reason: 'illegal parameters' },
  100002: { word: 'rejected', reason: 'invalid parameter' },
  100006: { word: 'rejected', reason: 'no permission, or not a live room' },
  100015: { word: 'rejected', reason: 'invalid room type' },
};

/** The meaning of every documented code, for reports and documentation. */
export const documentedCodes: readonly number[] = Object.keys(meanings).map(Number);

/** What a documented code means and what to do about it; undefined for any other. */
export function meaningOf(
  code: number,
): { word: VerdictWord; reason: string; remedy: string | undefined } | undefined {
  const meaning = meanings[code];
  return meaning && { word: meaning.word, reason: meaning.reason, remedy: meaning.remedy };
}

/** Judges one answer. Total: every answer has a verdict. */
export function judge(answer: Answer): Verdict {
  switch (answer.kind) {
    case 'reply':
      return judgeReply(answer);
    case 'unreadable':
      return (
        judgeStatus(answer.httpStatus) ??
        transient(`the reply was not the documented JSON (HTTP ${answer.httpStatus})`, true)
      );
    case 'timeout':
      return transient('no answer in time', true);
    case 'network':
      return judgeNetwork(answer.code, answer.written);
    default:
      return answer satisfies never;
  }
}

function judgeReply(answer: Extract<Answer, { kind: 'reply' }>): Verdict {
  const { errorCode } = answer;
  if (answer.isContradictory) return transient('ErrorCode 0 beside ActionStatus FAIL', true);
  // The API answers 200 whatever the result; another status comes from something in between.
  const byStatus = speaksForItself(answer.httpStatus) ? judgeStatus(answer.httpStatus) : undefined;
  const meaning = meanings[errorCode];
  if (meaning !== undefined && (byStatus === undefined || errorCode === 0)) {
    return {
      word: meaning.word,
      reason: meaning.reason,
      mayHaveActed: meaning.mayHaveActed ?? false,
      ...(meaning.remedy === undefined ? {} : { remedy: meaning.remedy }),
      ...(meaning.ofCommand === undefined ? {} : { ofCommand: meaning.ofCommand }),
      // Beside a failure they would be somebody's mistake: they are not of a room that was destroyed now.
      ...(meaning.word !== 'destroyed' || answer.statistics === undefined
        ? {}
        : { statistics: answer.statistics }),
    };
  }
  if (byStatus !== undefined) return byStatus;
  if (errorCode >= 100_000) {
    return { word: 'rejected', reason: `code ${errorCode}`, mayHaveActed: false };
  }
  // 60000–79999 are the common codes; one that no page names may pass, or never. Nothing is
  // known of codes below either, so they are treated alike.
  return transient(`undocumented code ${errorCode}`, true);
}

/** A status that counts more than the documented JSON under it. */
function speaksForItself(status: number): boolean {
  return status >= 500 || [401, 403, 404, 429].includes(status);
}

const checkWay = 'check TENCENT_ENDPOINT and TENCENT_REGION, and any proxy on the way';

/** Statuses that say more than that something on the way refuses the request. */
const statusMeanings: Readonly<Record<number, { reason: string; remedy: string }>> = {
  407: {
    reason: 'a proxy on the way asks for a user and a password',
    remedy: 'check HTTPS_PROXY, with its user and password',
  },
  413: {
    reason: 'something on the way takes a request of 600 bytes for too large',
    remedy: checkWay,
  },
  414: { reason: 'something on the way takes the URL for too long', remedy: checkWay },
  431: { reason: 'something on the way takes the URL for too long', remedy: checkWay },
  451: {
    reason: 'something on the way blocks the request for legal reasons',
    remedy: 'ask whoever runs the network of this machine; another TENCENT_REGION is of no use',
  },
  511: {
    reason: 'the network of this machine asks for a login first',
    remedy: 'log in to the network, or ask whoever runs it',
  },
};

/** What an HTTP status alone says; undefined where it says nothing. */
function judgeStatus(status: number): Verdict | undefined {
  const stop = (reason: string, remedy = checkWay): Verdict => {
    return { word: 'stop_line', reason, remedy, mayHaveActed: false };
  };
  if (status === 429) return { word: 'over_quota', reason: 'HTTP 429', mayHaveActed: false };
  const meaning = statusMeanings[status];
  if (meaning !== undefined) return stop(`HTTP ${status}: ${meaning.reason}`, meaning.remedy);
  if (status >= 500) return transient(`HTTP ${status}`, true);
  // The server gave up waiting for the request, or does not want it this early.
  if (status === 408 || status === 425) return transient(`HTTP ${status}`, true);
  // There is no such path, or not for this method.
  if (status === 404 || status === 405) return { ...stop(`HTTP ${status}`), ofCommand: true };
  if (status >= 400) return stop(`HTTP ${status}`);
  // Not followed: it would carry the signature to another host.
  if (status >= 300) return stop(`HTTP ${status}: a redirect, to a login page or another address`);
  return undefined;
}

function judgeNetwork(code: string, written: boolean): Verdict {
  if (!code.startsWith(proxyRefused)) return transient(`network error ${code}`, written);
  const status = Number(code.slice(proxyRefused.length));
  if (status < 300 || status >= 500) {
    return transient(`the proxy gives no way to the API: HTTP ${status}`, written);
  }
  return {
    word: 'stop_line',
    reason: `the proxy refuses the way to the API: HTTP ${status}`,
    remedy:
      status === 407
        ? 'check HTTPS_PROXY, with its user and password'
        : 'check HTTPS_PROXY and NO_PROXY, and what the proxy lets this machine reach',
    mayHaveActed: written,
  };
}

function transient(reason: string, mayHaveActed: boolean): Verdict {
  return { word: 'transient', reason, mayHaveActed };
}
