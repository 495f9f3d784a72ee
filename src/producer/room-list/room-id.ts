import { shown } from './shown.js';

/** Most bytes of a RoomId (destroy_room's documentation). */
const MAX_ROOM_ID_BYTES = 48;

const LEGAL_ROOM_ID = /^[ -~]{1,48}$/;

/**
 * Says what is wrong with a RoomId, or undefined for a legal one: 1–48 bytes of printable
 * ASCII (0x20–0x7e). Spaces and `:` are legal and count. The message is safe to print.
 */
export function roomIdProblem(roomId: string | Uint8Array): string | undefined {
  const text = typeof roomId === 'string' ? roomId : Buffer.from(roomId).toString('latin1');
  if (isRoomId(text)) return undefined;
  const bytes = typeof roomId === 'string' ? Buffer.byteLength(roomId) : roomId.length;
  const size = bytes > MAX_ROOM_ID_BYTES ? `${bytes} bytes: ` : '';
  return `RoomId must be 1–${MAX_ROOM_ID_BYTES} bytes of printable ASCII, got ${size}${shown(roomId)}`;
}

/** Whether a RoomId is legal; the quick form of {@link roomIdProblem}. */
export function isRoomId(text: string): boolean {
  return LEGAL_ROOM_ID.test(text);
}
