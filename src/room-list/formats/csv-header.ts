/** The names that the RoomId column may have, exactly. */
const COLUMN_NAMES = ['room_id', 'RoomId'];

/** Where the RoomId stands in each row. */
export interface RoomIdColumn {
  readonly name: string;
  readonly index: number;
  /** Fields of the header, and so of every row. */
  readonly width: number;
}

/** The header's columns that may hold the RoomId; a good header has one. */
export function roomIdColumns(header: readonly string[]): RoomIdColumn[] {
  return header.flatMap((field, index) => {
    const name = field.trim();
    return COLUMN_NAMES.includes(name) ? [{ name, index, width: header.length }] : [];
  });
}
