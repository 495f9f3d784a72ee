import { expect, test } from 'vitest';
import { describeStoreTrouble, storeTrouble } from '../src/store-trouble.js';

const coded = (code: string, message = '') => Object.assign(new Error(message), { code });

test.each<[error: Error, cause: RegExp, remedy: RegExp]>([
  [coded('28P01', 'password authentication failed'), /password is wrong/, /DATABASE_URL/],
  [coded('28000', 'no pg_hba.conf entry for host "x", no encryption'), /TLS/, /sslmode/],
  [coded('28000', 'no pg_hba.conf entry for host "x", SSL encryption'), /pg_hba/, /entry/],
  [coded('3D000'), /no such database/, /make the database/],
  [coded('42501'), /lacks a right/, /grant/],
  [coded('25006'), /read only/, /primary/],
  [coded('08P01', 'unsupported startup parameter: options'), /pooler/, /server itself/],
  [coded('53300'), /no connection left/, /max_connections/],
  [coded('53100'), /disk is full/, /free/],
  [coded('57P03'), /starting/, /wait/],
  [coded('22P05'), /encoding/, /UTF8/],
  [coded('ENOTFOUND'), /name cannot be resolved/, /host in DATABASE_URL/],
  [coded('ENOENT'), /no such socket/, /directory/],
  [coded('ETIMEDOUT'), /does not answer/, /firewall/],
  [coded('SELF_SIGNED_CERT_IN_CHAIN'), /not trusted/, /NODE_EXTRA_CA_CERTS/],
  [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), /not trusted/, /sslrootcert/],
  [coded('CERT_HAS_EXPIRED'), /not valid now/, /renew/],
  [coded('ERR_TLS_CERT_ALTNAME_INVALID'), /another host/, /names/],
  [coded('ERR_SSL_WRONG_VERSION_NUMBER'), /TLS/, /port/],
  [new Error('The server does not support SSL connections'), /no TLS/, /sslmode/],
  [new Error('Connection terminated unexpectedly'), /ended the connection/, /port/],
])('Postgres: %s', (error, cause, remedy) => {
  const trouble = storeTrouble(error, 'Postgres', 'DATABASE_URL');
  expect(trouble.cause).toMatch(cause);
  expect(trouble.remedy).toMatch(remedy);
  expect(trouble.remedy).not.toMatch(/start it|embedded|\bURL\b/);
});

test.each<[message: string, cause: RegExp, remedy: RegExp]>([
  ['WRONGPASS invalid username-password pair', /wrong/, /password in QUEUE_URL/],
  ['NOAUTH Authentication required.', /missing/, /password in QUEUE_URL/],
  ['ERR AUTH <password> called without any password configured', /no password/, /take/],
  ['NOPERM this user has no permissions to run the EVAL command', /ACL/, /~bull:\*/],
  ['DENIED Redis is running in protected mode', /protected mode/, /password/],
  ['ERR DB index is out of range', /database of this number/, /number/],
  ['READONLY', /replica/, /primary/],
  ['SENTINEL', /Sentinel/, /redis-sentinel:.*watches/],
  ['SENTINELAUTH', /Sentinels ask for a password/, /sentinelPassword/],
  ['NOANSWER', /none of its servers/, /ports in QUEUE_URL/],
  ['NONAME', /no primary of this name/, /behind the #/],
  ["ERR unknown command 'sentinel', with args beginning with:", /no Sentinel/, /redis:/],
  ['CLUSTER', /cluster/, /redis-cluster:/],
  ['MOVED 3999 127.0.0.1:6381', /cluster/, /redis-cluster:/],
  ['CLUSTERDOWN Hash slot not served', /part of the cluster/, /nodes/],
  ['None of startup nodes is available', /says where it is/, /cluster-announce-ip/],
  ['ERR This instance has cluster support disabled', /no cluster/, /redis:/],
  ['LOADING Redis is loading the dataset in memory', /starting/, /wait/],
  ['Protocol error, got "H" as reply type byte', /no Redis/, /port/],
  ['ERR max number of clients reached', /no connection left/, /maxclients/],
])('Redis: %s', (message, cause, remedy) => {
  const trouble = storeTrouble(new Error(message), 'Redis', 'QUEUE_URL');
  expect(trouble.cause).toMatch(cause);
  expect(trouble.remedy).toMatch(remedy);
  expect(trouble.remedy).not.toMatch(/start it|embedded|\bURL\b/);
});

test('only where nothing listens it is said to start it', () => {
  expect(describeStoreTrouble(coded('ECONNREFUSED'), 'ECONNREFUSED', 'Redis', 'QUEUE_URL')).toBe(
    'ECONNREFUSED; start it, or set QUEUE_URL (embedded needs no server)',
  );
  expect(storeTrouble(new Error('something new'), 'Redis', 'QUEUE_URL')).toEqual({
    cause: undefined,
    remedy: expect.stringMatching(/doctor/) as string,
  });
});

test('a message that is neither a code nor a word is put in words', () => {
  const said = new Error("Socket timeout. Expecting data, but didn't receive any in 5000ms.");
  expect(describeStoreTrouble(said, undefined, 'Redis', 'QUEUE_URL')).toMatch(
    /^it does not answer; check host and port in QUEUE_URL/,
  );
  expect(describeStoreTrouble(new Error('new'), undefined, 'Redis', 'QUEUE_URL')).toMatch(/^new; /);
});
