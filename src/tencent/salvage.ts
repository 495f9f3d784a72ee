/**
 * An answer whose framing is wrong, or whose end is missing: Node's parser gives it up, but the
 * room is gone by then, and the statistics in it come once. So the bytes are read as they came.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface Salvaged {
  httpStatus: number;
  headers: IncomingHttpHeaders;
  /** What may be the body, whatever its framing says, likeliest first. */
  bodies: Buffer[];
}

/** @param bytes - all that came after the request. undefined: not even a head. */
export function salvage(bytes: Buffer): Salvaged | undefined {
  // One character a byte, so that places in it are places in the bytes.
  const text = bytes.toString('latin1');
  // Answers in advance (100 Continue, 103 Early Hints) are passed over.
  const head =
    /^[\r\n]*(?:HTTP\/\S+ +1\d\d\b[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)*HTTP\/\S+ +(\d{3})\b[^\n]*\n((?:[^\r\n]+\r?\n)*)\r?\n/.exec(
      text,
    );
  if (head === null) return undefined;
  const [whole, status, lines = ''] = head;
  const headers = readHeaders(lines);
  const all = bytes.subarray(whole.length);
  const length = Number(headers['content-length']);
  return {
    httpStatus: Number(status),
    headers,
    bodies: [
      ...(length > 0 ? [all.subarray(0, length)] : []),
      ...('transfer-encoding' in headers ? [withoutChunks(all)] : []),
      all,
    ],
  };
}

function readHeaders(lines: string): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {};
  for (const [, name = '', value] of lines.matchAll(/^([^:\s]+)\s*:[ \t]*(.*?)\s*$/gm)) {
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

/** What chunks hold, as far as they can be followed. */
function withoutChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  const line = /^([0-9a-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n/i;
  for (let at = 0; ;) {
    const [whole, digits] = line.exec(bytes.toString('latin1', at, at + 1_000)) ?? [];
    const size = Number.parseInt(digits ?? '0', 16);
    if (whole === undefined || size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(at + whole.length, at + whole.length + size));
    at += whole.length + size;
    if (bytes[at] === 0x0d) at += 1;
    if (bytes[at] === 0x0a) at += 1;
  }
}
