/** Certificates of a service's own for the connection to a store. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

export interface TlsOptions {
  /** Who is trusted to vouch for the server, instead of those that Node knows: PEM, the content and not its path. */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /** The service's own certificate, PEM, and its key. Both or none. */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** Of the key. */
  passphrase?: string;
}

/** As the drivers take them: they change what they are given. */
export function copyOfTls({ ca, ...rest }: TlsOptions) {
  return ca === undefined ? rest : { ...rest, ca: listOf(ca) };
}

function listOf(ca: NonNullable<TlsOptions['ca']>): (string | Buffer)[] {
  return typeof ca === 'string' || Buffer.isBuffer(ca) ? [ca] : [...ca];
}

const names: readonly string[] = ['ca', 'cert', 'key', 'passphrase'];

/** The rule that they break, without their values; undefined: none. */
export function tlsProblem(tls: unknown): string | undefined {
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) return 'must be an object';
  if (!Object.keys(tls).every((name) => names.includes(name))) {
    return `must have nothing but ${names.join(', ')}`;
  }
  const { ca, cert, key, passphrase } = tls as TlsOptions;
  if ((cert === undefined) !== (key === undefined)) return 'must have both cert and key, or none';
  if (passphrase !== undefined && typeof passphrase !== 'string') {
    return 'must have a passphrase that is text';
  }
  try {
    // Without the look at each, one that is none would be trusted to vouch for nobody.
    if (ca !== undefined) for (const each of listOf(ca)) new X509Certificate(each);
    createSecureContext(copyOfTls(tls));
  } catch {
    return 'must have certificates and a key as PEM, the content of their files and not the path, and the passphrase of the key where it has one';
  }
  return undefined;
}
