import { extname } from 'node:path';
import { ReaperError } from '../errors.js';
import type { RoomListFormat, RoomListLayout } from './entry.js';
import { csvFields } from './formats/csv-fields.js';
import { roomIdColumns } from './formats/csv-header.js';

const formatOfExtension: Readonly<Record<string, RoomListFormat>> = {
  '.txt': 'lines',
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
};

/**
 * How a list is to be read: as `format` says, else by the extension of `name`, else by the
 * first line that is not blank in `head`, the list's first bytes (64 KiB of them or all).
 */
export function detectFormat(
  head: Buffer,
  { name = '', format }: { name?: string | undefined; format?: RoomListFormat | undefined },
): RoomListLayout {
  if (format !== undefined) return { format, detectedBy: 'option' };
  const byExtension = formatOfExtension[extname(name).toLowerCase()];
  if (byExtension === 'lines') mustBeRoomId(firstLine(head));
  if (byExtension !== undefined) return { format: byExtension, detectedBy: 'extension' };
  return { format: formatOfFirstLine(firstLine(head)), detectedBy: 'content' };
}

/**
 * Nearly any text has the form of a RoomId: another format read as one RoomId a line would end
 * as so many rooms that are "already gone".
 *
 * @throws ReaperError `INVALID` where the first line looks like that of another format.
 */
function mustBeRoomId(line: string): void {
  const looksLike = isJsonObject(line)
    ? 'a JSON object; choose --format ndjson'
    : isCsvHeader(line)
      ? 'a CSV header; choose --format csv'
      : mayBeHeader(line)
        ? 'a CSV header; name the column RoomId or room_id and choose --format csv'
        : undefined;
  if (looksLike === undefined) return;
  throw new ReaperError(
    'INVALID',
    `Room list must be one RoomId a line, its first line looks like ${looksLike}, or --format lines if it is a RoomId`,
  );
}

function formatOfFirstLine(line: string): RoomListFormat {
  // Any JSON object, not only one with a roomId.
  if (isJsonObject(line)) return 'ndjson';
  if (/^\s*\[\s*(?:$|["[{])/.test(line)) {
    throw new ReaperError(
      'INVALID',
      'Room list must be one RoomId a line, CSV or NDJSON, got a JSON array; write one object with a roomId a line, without brackets and commas',
    );
  }
  if (isCsvHeader(line)) return 'csv';
  mustBeRoomId(line);
  return 'lines';
}

function isJsonObject(line: string): boolean {
  return /^\s*\{\s*["}]/.test(line);
}

/** A column is called nearly as it must be. */
function mayBeHeader(line: string): boolean {
  return line.split(/[,;\t]/).some((field) => /^\s*("?)room[ _-]?id\1\s*$/i.test(field));
}

function isCsvHeader(line: string): boolean {
  try {
    return roomIdColumns(csvFields(line)[0] ?? []).length > 0;
  } catch {
    return false; // A bad quote: no header.
  }
}

/** The first line that is not blank, as Latin-1 text; cut where the head is. */
function firstLine(head: Buffer): string {
  const lines = head.toString('latin1').split('\n');
  return lines.map((line) => line.replace(/\r$/, '')).find((line) => line !== '') ?? '';
}
