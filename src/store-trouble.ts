/**
 * What is wrong with a Redis or Postgres that cannot be used, and what mends it: the one table,
 * for every message and for `doctor`. Pure.
 */

import { printable } from './redact.js';

export type StoreKind = 'Redis' | 'Postgres';

export interface StoreTrouble {
  /** In words; undefined where the code says it. */
  cause: string | undefined;
  remedy: string;
}

interface Row {
  /** Of the code (SQLSTATE, Node's, or the first word of what Redis says) and the message. */
  pattern: RegExp;
  of?: StoreKind;
  cause?: string;
  /** `URL` stands for the variable. */
  remedy: string;
}

/**
 * What a Redis user needs for a queue, beside the keys `~bull:*`; in a cluster these are `~{bull}:*`,
 * and the second list comes on top. docs/production.md has the same; a test holds them together.
 */
export const queueRights =
  '-@all +@read +@write +@scripting +@connection +@blocking +@transaction -@dangerous +info';
export const clusterRights =
  '+cluster|slots +cluster|info +cluster|nodes +cluster|shards +cluster|keyslot';

const lacksRights = /^NOPERM|The user executing the script|ACL failure in script/;

/** Whether a Redis refused something because of what its user may do. */
export function isRefusedByAcl(error: unknown): boolean {
  return lacksRights.test(String((error as { message?: unknown } | undefined)?.message));
}

const certificate =
  'have its authority trusted: NODE_EXTRA_CA_CERTS=FILE, or for Postgres sslrootcert=FILE in URL';

const rows: readonly Row[] = [
  // What says no more than that nothing is there.
  { pattern: /^ECONNREFUSED/, remedy: 'start it, or set URL (embedded needs no server)' },
  {
    pattern: /^ENOENT/,
    cause: 'there is no such socket',
    remedy: 'check that the server runs, and the directory in URL',
  },
  {
    pattern: /^(EACCES|EPERM)/,
    cause: 'this user may not open the socket',
    remedy: 'allow it to, or set URL to a host and port',
  },
  {
    pattern: /^(ENOTFOUND|EAI_AGAIN)/,
    cause: 'its name cannot be resolved',
    remedy: 'check the host in URL, and the DNS of this machine',
  },
  // TLS.
  {
    pattern: /^(ERR_TLS_CERT_ALTNAME|HOSTNAME_MISMATCH)/,
    cause: 'its certificate is of another host',
    remedy: 'set URL to the host that the certificate names',
  },
  {
    pattern: /^CERT_(HAS_EXPIRED|NOT_YET_VALID)/,
    cause: 'its certificate is not valid now',
    remedy: 'renew it, and look at the clocks of both machines',
  },
  {
    pattern: /^(DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CERT_)/,
    cause: 'its certificate is not trusted',
    remedy: certificate,
  },
  {
    pattern: /does not support SSL/i,
    of: 'Postgres',
    cause: 'it has no TLS',
    remedy: 'take ssl and sslmode out of URL, or turn TLS on at the server',
  },
  {
    pattern: /^(ERR_SSL|EPROTO)|wrong version number/i,
    cause: 'it does not speak TLS on this port, or no version of it that both know',
    remedy: 'check port and scheme in URL (redis: without TLS, rediss: with it)',
  },
  // Who asks, and for what.
  {
    pattern: /no encryption|SSL off/i,
    of: 'Postgres',
    cause: 'it takes no connection without TLS from here',
    remedy: 'add ?sslmode=verify-full to URL',
  },
  {
    pattern: /no pg_hba\.conf entry/i,
    of: 'Postgres',
    cause: 'its pg_hba.conf does not let this user in from here',
    remedy: 'add an entry for user, database and address there, or correct URL',
  },
  {
    pattern: /^28/,
    of: 'Postgres',
    cause: 'user or password is wrong',
    remedy: 'check user and password in URL',
  },
  {
    pattern: /SASL|password must be a string/i,
    of: 'Postgres',
    cause: 'it asks for a password, or another one',
    remedy: 'check user and password in URL',
  },
  {
    pattern: /without any password|no password is set/i,
    of: 'Redis',
    cause: 'it has no password',
    remedy: 'take the password out of URL, or set one there',
  },
  {
    pattern: /^(WRONGPASS|NOAUTH)|invalid password/i,
    of: 'Redis',
    cause: 'user or password is wrong or missing',
    remedy: 'check user and password in URL',
  },
  {
    pattern: lacksRights,
    of: 'Redis',
    cause: 'its ACL does not allow this user what a queue needs',
    remedy: `give the user in URL the rights of a queue: ~bull:* (or its QUEUE_PREFIX) ${queueRights}; on a cluster ~{bull}:* and besides ${clusterRights}`,
  },
  {
    pattern: /^DENIED/,
    of: 'Redis',
    cause: 'it is in protected mode and takes connections of its own machine only',
    remedy: 'set a password at the server, and in URL',
  },
  {
    pattern: /^3D000/,
    cause: 'there is no such database',
    remedy: 'make the database, or correct its name in URL',
  },
  {
    pattern: /DB index is out of range|invalid DB index|SELECT is not allowed/i,
    of: 'Redis',
    cause: 'it has no database of this number',
    remedy: 'correct the number at the end of URL, or leave it out',
  },
  {
    pattern: /^42501/,
    cause: 'this user lacks a right',
    remedy: 'grant it, see "Rights" in docs/operations.md; `room-reaper doctor` says more',
  },
  {
    pattern: /^25006/,
    cause: 'it is read only: a standby, or a failover that is under way',
    remedy: 'set URL to the primary',
  },
  // What it is.
  {
    pattern: /^READONLY/,
    of: 'Redis',
    cause: 'it is a read-only replica, or a failover is under way',
    remedy: 'set URL to the primary',
  },
  {
    pattern: /^SENTINELAUTH/,
    of: 'Redis',
    cause: 'its Sentinels ask for a password, or another one',
    remedy:
      'put ?sentinelPassword=… before the # of URL, with sentinelUsername=… where they have users',
  },
  {
    pattern: /^SENTINEL\b/,
    of: 'Redis',
    cause: 'it is a Sentinel, which keeps no data',
    remedy:
      'set URL to redis-sentinel://HOST:26379,…/0#NAME with the name of the primary that it watches (redis-cli -p 26379 sentinel masters)',
  },
  {
    pattern: /^NOANSWER/,
    of: 'Redis',
    cause: 'none of its servers answers',
    remedy:
      'check hosts and ports in URL, that they run, whether they speak TLS (rediss…) with a certificate that is trusted here, and the firewalls between',
  },
  {
    pattern: /^NONAME/,
    of: 'Redis',
    cause: 'its Sentinels watch no primary of this name',
    remedy:
      'correct the name behind the # in URL: redis-cli -p 26379 sentinel masters shows those that there are',
  },
  {
    pattern: /unknown command '?sentinel/i,
    of: 'Redis',
    cause: 'it is no Sentinel',
    remedy: 'set URL to the Sentinels, or to redis://… for this Redis alone',
  },
  {
    pattern: /^CLUSTERDOWN/,
    of: 'Redis',
    cause: 'a part of the cluster is down, or has no node',
    remedy: 'have its nodes run again; redis-cli --cluster check shows what is missing',
  },
  {
    pattern: /^None of startup nodes/,
    of: 'Redis',
    cause: 'none of its nodes says where it is, or they went away',
    remedy:
      'see that they run; a node that is alone in its cluster needs cluster-announce-ip or cluster-announce-hostname',
  },
  {
    pattern: /cluster support disabled/i,
    of: 'Redis',
    cause: 'it is no cluster',
    remedy: 'set URL to redis://… for this Redis alone',
  },
  {
    pattern: /^(CLUSTER|MOVED|ASK|CROSSSLOT)/,
    of: 'Redis',
    cause: 'it is a cluster, and was asked as one server',
    remedy: 'set URL to redis-cluster://HOST:6379,…, with one of its nodes or more',
  },
  {
    pattern: /Protocol error, got/i,
    of: 'Redis',
    cause: 'what answers there is no Redis',
    remedy: 'check host and port in URL',
  },
  {
    pattern: /^08P01|unsupported startup parameter/i,
    of: 'Postgres',
    cause: 'what answers there refuses how we connect: a pooler, or no Postgres',
    remedy: 'take options out of URL, or set it to the server itself',
  },
  {
    pattern: /^(22P05|22021)/,
    of: 'Postgres',
    cause: "its database's encoding is not UTF8",
    remedy: 'make a database with encoding UTF8, and set URL to it',
  },
  // What passes, or is full.
  {
    pattern: /^(53300|53400)|max number of clients|too many clients/i,
    cause: 'it has no connection left',
    remedy: 'raise max_connections (Redis: maxclients), or close others',
  },
  {
    pattern: /^53100|no space left/i,
    cause: 'its disk is full',
    remedy: 'free some space',
  },
  {
    pattern: /^(57P03|LOADING)/,
    cause: 'it is starting',
    remedy: 'wait until it has, then run it again',
  },
  {
    pattern: /^(57P01|57P02)/,
    cause: 'it is shutting down',
    remedy: 'start it again',
  },
  {
    pattern: /^(MISCONF|OOM)/,
    of: 'Redis',
    cause: 'it is full, or cannot write to its disk',
    remedy: 'look at its log; raise maxmemory or free disk space',
  },
  {
    pattern: /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)|timeout|no answer/i,
    cause: 'it does not answer',
    remedy: 'check host and port in URL, and the firewalls between',
  },
  {
    pattern: /^(ECONNRESET|EPIPE)|terminated|closed/i,
    cause: 'it ended the connection',
    remedy: 'look at its log, and check host and port in URL',
  },
];

const unknown = 'see "Servers" in docs/operations.md, or run `room-reaper doctor`';

/** @param variable - that holds the URL. */
export function storeTrouble(error: unknown, kind: StoreKind, variable: string): StoreTrouble {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const texts = [code, message].filter((text) => typeof text === 'string');
  const row = rows.find(
    ({ pattern, of = kind }) => of === kind && texts.some((text) => pattern.test(text)),
  );
  return {
    cause: row?.cause,
    remedy: (row?.remedy ?? unknown).replaceAll('URL', variable),
  };
}

/**
 * The end of a sentence: what happened, in words, and what to do.
 *
 * @param shown - a code, or the word by which it said so; undefined: neither.
 */
export function describeStoreTrouble(
  error: unknown,
  shown: string | undefined,
  kind: StoreKind,
  variable: string,
): string {
  const { cause, remedy } = storeTrouble(error, kind, variable);
  if (shown !== undefined) return `${shown}${cause === undefined ? '' : ` (${cause})`}; ${remedy}`;
  const { message } = error as { message?: unknown };
  return `${cause ?? printable(String(message))}; ${remedy}`;
}
