import { ReaperError } from '../errors.js';

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** First bytes of files that are often taken for a list of lines, and what to do about them. */
const foreign: readonly { magic: Buffer; what: string; remedy: string }[] = [
  { magic: Buffer.from([0xff, 0xfe]), what: 'UTF-16', remedy: 'save it as UTF-8' },
  { magic: Buffer.from([0xfe, 0xff]), what: 'UTF-16', remedy: 'save it as UTF-8' },
  { magic: Buffer.from([0x1f, 0x8b]), what: 'gzip data', remedy: 'unpack it first' },
  {
    magic: Buffer.from([0x50, 0x4b, 0x03, 0x04]),
    what: 'a zip archive or spreadsheet',
    remedy: 'unpack it, or save it as CSV, first',
  },
];

/** The list's first bytes without a byte order mark; refuses files that are no text. */
export function textHead(head: Buffer): Buffer {
  const found = foreign.find(({ magic }) => startsWith(head, magic));
  if (found !== undefined) {
    throw new ReaperError(
      'INVALID',
      `Room list must be plain text, got ${found.what}; ${found.remedy}`,
    );
  }
  return startsWith(head, UTF8_BOM) ? head.subarray(UTF8_BOM.length) : head;
}

function startsWith(head: Buffer, magic: Buffer): boolean {
  return head.subarray(0, magic.length).equals(magic);
}
