/** Answers in a form that is not as it should be: the room is gone and its statistics come once. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { Answer } from '../../src/tencent/answer.js';
import { bodyOf, destroy, http, startRawServer, totalIn, type RawServer } from './raw-server.js';

const open: RawServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

type Part = Buffer | string | number;

/** What a server that writes these parts, with pauses in milliseconds between them, is taken to say; `end` and `reset` end it. */
async function answerTo(...parts: Part[]): Promise<Answer> {
  const server = await startRawServer(({ socket }) => {
    void (async () => {
      for (const part of parts) {
        if (typeof part === 'number') await new Promise((resolve) => setTimeout(resolve, part));
        else if (part === 'end') socket.end();
        else if (part === 'reset') socket.resetAndDestroy();
        else socket.write(part);
      }
    })();
  });
  open.push(server);
  return destroy(server.client());
}

const body = bodyOf(7);
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const chunked = (...chunks: string[]) => http(chunks.join(''), 'Transfer-Encoding: chunked\r\n');
const length = (value: number | string) => `Content-Length: ${value}\r\n`;
const utf16 = Buffer.from(body, 'utf16le');
const bigEndian = Buffer.from(utf16).swap16();

describe('is read where it can be read without doubt', () => {
  test.each<[rule: string, parts: Part[]]>([
    ['as documented', [http(body)]],
    ['in two pieces, cut in its head', [http(body).subarray(0, 30), 20, http(body).subarray(30)]],
    ['in two pieces, cut in its body', [http(body).subarray(0, -9), 20, http(body).subarray(-9)]],
    ['byte by byte', [...http(body)].map((byte) => Buffer.of(byte))],
    ['after 100 Continue', ['HTTP/1.1 100 Continue\r\n\r\n', http(body)]],
    [
      'after 103 Early Hints, later',
      ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n', 20, http(body)],
    ],
    ['with single line feeds', [http(body).toString().replaceAll('\r\n', '\n')]],
    ['with the version 1.0, ended by its close', [`HTTP/1.0 200 OK\r\n\r\n${body}`, 'end']],
    ['without a reason', [http(body, '', '200')]],
    ['without any length, ended by its close', [http(body, 'Connection: close\r\n'), 'end']],
    ['without any length, and never ended', [http(body, 'Server: x\r\n')]],
    ['with a length that is too large', [http(body, length(body.length + 10))]],
    ['with a length that is too large, closed', [http(body, length(body.length + 10)), 'end']],
    ['with a length that is too large, reset', [http(body, length(9_999)), 20, 'reset']],
    ['with a length that is too small', [http(body, length(body.length - 10))]],
    ['with a length that is too small, closed', [http(body, length(20)), 'end']],
    ['with a length of 0', [http(body, length(0)), 'end']],
    ['with a length that is no number', [http(body, length('none'))]],
    ['with two lengths that differ', [http(body, length(5) + length(6))]],
    ['with the same length twice', [http(body, length(body.length) + length(body.length))]],
    ['in chunks', [chunked(chunk(body.slice(0, 50)), chunk(body.slice(50)), '0\r\n\r\n')]],
    ['in chunks with trailers', [chunked(chunk(body), '0\r\nX-Sum: 1\r\n\r\n')]],
    [
      'in chunks with extensions',
      [chunked(`${body.length.toString(16)};a=b\r\n${body}\r\n0\r\n\r\n`)],
    ],
    ['in chunks of which the last is missing', [chunked(chunk(body))]],
    ['in chunks of which the last is missing, closed', [chunked(chunk(body)), 'end']],
    ['in chunks of which the last is missing, reset', [chunked(chunk(body)), 20, 'reset']],
    ['in chunks whose last line is missing', [chunked(chunk(body), '0\r\n')]],
    ['in a chunk that says too much', [chunked(`fff\r\n${body}`), 'end']],
    ['called chunked, and plain', [chunked(body), 'end']],
    ['called chunked, and plain, never ended', [chunked(body)]],
    ['packed with gzip', [http(gzipSync(body))]],
    [
      'packed with gzip, and said so',
      [http(gzipSync(body), `Content-Encoding: gzip\r\n${length(gzipSync(body).length)}`)],
    ],
    [
      'packed with gzip, its end missing',
      [http(gzipSync(body).subarray(0, -8), 'Content-Encoding: gzip\r\n'), 'end'],
    ],
    ['packed with deflate', [http(deflateSync(body), 'Content-Encoding: deflate\r\n'), 'end']],
    [
      'packed with deflate, raw',
      [http(deflateRawSync(body), 'Content-Encoding: deflate\r\n'), 'end'],
    ],
    ['packed with brotli', [http(brotliCompressSync(body), 'Content-Encoding: br\r\n'), 'end']],
    ['called gzip, and plain', [http(body, `Content-Encoding: gzip\r\n${length(body.length)}`)]],
    [
      'called by an encoding that nobody knows',
      [http(body, `Content-Encoding: x\r\n${length(body.length)}`)],
    ],
    ['with a BOM', [http(`\ufeff${body}`)]],
    ['in UTF-16', [http(utf16)]],
    ['in UTF-16 with a BOM', [http(Buffer.concat([Buffer.of(0xff, 0xfe), utf16]))]],
    ['in UTF-16, big-endian', [http(bigEndian)]],
    [
      'in UTF-16, big-endian, with a BOM',
      [http(Buffer.concat([Buffer.of(0xfe, 0xff), bigEndian]))],
    ],
    [
      'called UTF-16, and plain',
      [http(body, `Content-Type: a/b; charset=utf-16\r\n${length(body.length)}`)],
    ],
    [
      'called by a charset that nobody knows',
      [http(body, `Content-Type: a/b; charset=x-y\r\n${length(body.length)}`)],
    ],
    ['with a comment behind it', [http(`${body}<!-- proxy -->`)]],
    ['with bytes behind its length', [Buffer.concat([http(body), Buffer.from('garbage')])]],
    ['twice, in one packet', [Buffer.concat([http(body), http(body)])]],
  ])('%s', async (_rule, parts) => {
    const answer = await answerTo(...parts);
    expect(answer).toMatchObject({ kind: 'reply', httpStatus: 200, errorCode: 0 });
    expect(totalIn(answer)).toBe(7);
  });

  test('in the charset of its header', async () => {
    // 房间 in GBK.
    const info = Buffer.concat([
      Buffer.from('{"ErrorCode":100004,"ErrorInfo":"'),
      Buffer.of(0xb7, 0xbf, 0xbc, 0xe4),
      Buffer.from('"}'),
    ]);
    const headers = `Content-Type: text/json; charset=GBK\r\n${length(info.length)}`;
    expect(await answerTo(http(info, headers))).toMatchObject({ errorInfo: '房间' });
  });
});

describe('is not read where it is in doubt, and what came is kept', () => {
  test.each<[rule: string, parts: Part[], expected: object]>([
    ['cut in its JSON', [http(body).subarray(0, -20), 'end'], { kind: 'network', written: true }],
    ['cut in its JSON, in chunks', [chunked(chunk(body.slice(0, -9))), 'end'], { kind: 'network' }],
    ['cut in its JSON, and whole by its length', [http(body.slice(0, -9))], { kind: 'unreadable' }],
    ['no HTTP', [body], { kind: 'network', code: 'HPE_INVALID_CONSTANT', written: true }],
    [
      'no HTTP, closed',
      ['hello\r\n\r\n', 'end'],
      { kind: 'network', code: 'HPE_INVALID_CONSTANT' },
    ],
    ['another protocol', ['HTTP/1.1 101 Switching Protocols\r\n\r\n'], { httpStatus: 101 }],
  ])('%s', async (_rule, parts, expected) => {
    const answer = await answerTo(...parts);
    expect(answer).toMatchObject(expected);
    if (answer.kind !== 'unreadable' || answer.httpStatus === 200) expect(answer.raw).toBeTruthy();
    expect(totalIn(answer)).toBeUndefined();
  });

  test('a timeout keeps what had come by then', async () => {
    const server = await startRawServer(({ socket }) => socket.write(http(body).subarray(0, -40)));
    open.push(server);
    const answer = await destroy(server.client({ requestTimeoutMs: 300 }));
    expect(answer).toEqual({ kind: 'timeout', raw: body.slice(0, -40) });
  });
});
