import { extname } from 'node:path';
import { ReaperError } from '../errors.js';
import { isCsvHeader } from './csv.js';
import type { RoomListFormat, RoomListLayout } from './room-list.js';

const formatOfExtension: Readonly<Record<string, RoomListFormat>> = {
  '.txt': 'lines',
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
};

const utf8Bom = Buffer.from([0xef, 0xbb, 0xbf]);

const unpack = 'unpack it first';
const saveAsCsv = 'save it as CSV first';
const saveAsText = 'save it as plain text first';

/** First bytes of files that are often taken for a list of rooms, and what to do about them. */
const foreign: readonly { magic: Buffer; what: string; remedy: string }[] = [
  { magic: Buffer.from([0xff, 0xfe]), what: 'UTF-16', remedy: 'save it as UTF-8' },
  { magic: Buffer.from([0xfe, 0xff]), what: 'UTF-16', remedy: 'save it as UTF-8' },
  { magic: Buffer.from([0x1f, 0x8b]), what: 'gzip data', remedy: unpack },
  { magic: Buffer.from('BZh'), what: 'bzip2 data', remedy: unpack },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58]), what: 'xz data', remedy: unpack },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), what: 'zstd data', remedy: unpack },
  { magic: Buffer.from([0xd0, 0xcf, 0x11, 0xe0]), what: 'a spreadsheet', remedy: saveAsCsv },
  { magic: Buffer.from('%PDF-'), what: 'a PDF', remedy: saveAsText },
  { magic: Buffer.from('{\\rtf'), what: 'rich text', remedy: saveAsText },
  {
    magic: Buffer.from([0x50, 0x4b, 0x03, 0x04]),
    what: 'a zip archive or spreadsheet',
    remedy: 'unpack it, or save it as CSV, first',
  },
];

/**
 * The list's first bytes without a byte order mark.
 *
 * @throws ReaperError `INVALID` where the file is no text.
 */
export function textHead(head: Buffer): Buffer {
  const found = foreign.find(({ magic }) => startsWith(head, magic));
  if (found !== undefined) {
    throw new ReaperError(
      'INVALID',
      `Room list must be plain text, got ${found.what}; ${found.remedy}`,
    );
  }
  return startsWith(head, utf8Bom) ? head.subarray(utf8Bom.length) : head;
}

function startsWith(head: Buffer, magic: Buffer): boolean {
  return head.subarray(0, magic.length).equals(magic);
}

/**
 * How a list is to be read: as `format` says, else by the extension of `name`, else by the
 * first record that is not blank in `head`, the list's first bytes (64 KiB of them or all).
 *
 * @throws ReaperError `INVALID` where the first record is none of that format.
 */
export function detectFormat(
  head: Buffer,
  { name = '', format }: { name?: string | undefined; format?: RoomListFormat | undefined },
): RoomListLayout {
  if (format !== undefined) return { format, detectedBy: 'option' };
  const byExtension = formatOfExtension[extname(name).toLowerCase()];
  if (byExtension === 'lines') mustBeRoomId(firstRecord(head));
  if (byExtension !== undefined) return { format: byExtension, detectedBy: 'extension' };
  return { format: formatOfFirstRecord(firstRecord(head)), detectedBy: 'content' };
}

/**
 * Nearly any text has the form of a RoomId: another format read as one RoomId a line would end
 * as so many rooms that are "already gone".
 *
 * @throws ReaperError `INVALID` where the first record looks like that of another format.
 */
function mustBeRoomId(record: string): void {
  const looksLike = isJsonObject(record)
    ? 'a JSON object; choose --format ndjson'
    : isCsvHeader(record)
      ? 'a CSV header; choose --format csv'
      : mayBeHeader(record)
        ? 'a CSV header; name the column RoomId or room_id and choose --format csv'
        : undefined;
  if (looksLike === undefined) return;
  throw new ReaperError(
    'INVALID',
    `Room list must be one RoomId a line, its first line looks like ${looksLike}, or --format lines if it is a RoomId`,
  );
}

function formatOfFirstRecord(record: string): RoomListFormat {
  // Any JSON object, not only one with a roomId.
  if (isJsonObject(record)) return 'ndjson';
  if (/^\s*\[\s*(?:$|["[{])/.test(record)) {
    throw new ReaperError(
      'INVALID',
      'Room list must be one RoomId a line, CSV or NDJSON, got a JSON array; write one object with a roomId a line, without brackets and commas',
    );
  }
  if (isCsvHeader(record)) return 'csv';
  mustBeRoomId(record);
  return 'lines';
}

function isJsonObject(record: string): boolean {
  return /^\s*\{\s*(?:$|["}])/.test(record);
}

/** A column is called nearly as it must be. */
function mayBeHeader(record: string): boolean {
  return record.split(/[,;|\t]/).some((field) => /^\s*("?)room[ _-]?id\1\s*$/i.test(field));
}

/** The first record that is not blank, as Latin-1 text; cut where the head is. */
function firstRecord(head: Buffer): string {
  const records = head.toString('latin1').split('\n');
  return records.map((record) => record.replace(/\r$/, '')).find((record) => record !== '') ?? '';
}
