/** A body as text: encodings nobody asked for are undone, and other charsets than UTF-8 are read. */
import type { IncomingHttpHeaders } from 'node:http';
import zlib from 'node:zlib';

/** Longest body read, in bytes. A documented one has about 300. */
export const maximumBodyBytes = 1_048_576;

/** What cannot be unpacked is read as it is. undefined: it unpacks to more than is read. */
export function textOf(body: Buffer, headers: IncomingHttpHeaders): string | undefined {
  const plain = unpacked(body, (headers['content-encoding'] ?? '').trim().toLowerCase());
  if (plain === undefined) return undefined;
  const charset = charsetOf(plain, headers['content-type'] ?? '');
  return charset === 'utf-8' ? plain.toString() : new TextDecoder(charset).decode(plain);
}

function unpacked(body: Buffer, encoding: string): Buffer | undefined {
  const isGzip = body[0] === 0x1f && body[1] === 0x8b;
  if (!isGzip && encoding !== 'br' && encoding !== 'deflate') return body;
  // The end may be missing: what is there is unpacked.
  const finishFlush =
    isGzip || encoding === 'deflate'
      ? zlib.constants.Z_SYNC_FLUSH
      : zlib.constants.BROTLI_OPERATION_FLUSH;
  const lenient = { maxOutputLength: maximumBodyBytes, finishFlush };
  try {
    if (isGzip) return zlib.gunzipSync(body, lenient);
    if (encoding === 'br') return zlib.brotliDecompressSync(body, lenient);
    // Some servers leave out the header of zlib.
    const isZlib = ((body[0] ?? 0) & 0x0f) === 8;
    return isZlib ? zlib.inflateSync(body, lenient) : zlib.inflateRawSync(body, lenient);
  } catch (error) {
    return (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE' ? undefined : body;
  }
}

/** A BOM says it, or the zeros of UTF-16 do, or the header; else it is UTF-8, as JSON should be. */
function charsetOf(body: Buffer, contentType: string): string {
  const [first, second, third, fourth] = body;
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8';
  if ((first === 0xff && second === 0xfe) || (second === 0 && fourth === 0)) return 'utf-16le';
  if ((first === 0xfe && second === 0xff) || (first === 0 && third === 0)) return 'utf-16be';
  const [, label] = /charset="?([\w-]+)/i.exec(contentType) ?? [];
  // A header that says UTF-16 of a body without its zeros is wrong.
  if (label === undefined || /^(utf-?8|utf-?16|ucs-?2|unicode)/i.test(label)) return 'utf-8';
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return 'utf-8';
  }
}
