/** The one rule of a RoomId. Source: https://trtc.io/document/60027 */
import { ReaperError } from './errors.js';
import { quoted } from './redact.js';

/** Most bytes of a RoomId. */
const mostBytes = 48;

const legal = /^[ -~]{1,48}$/;

/** Whether a RoomId is legal: 1–48 bytes of printable ASCII (0x20–0x7e). Spaces and `:` count. */
export function isRoomId(text: string): boolean {
  return legal.test(text);
}

/** What is wrong with a RoomId, fit to be printed; undefined: nothing. */
export function roomIdProblem(roomId: string | Uint8Array): string | undefined {
  const text = typeof roomId === 'string' ? roomId : Buffer.from(roomId).toString('latin1');
  if (isRoomId(text)) return undefined;
  const bytes = typeof roomId === 'string' ? Buffer.byteLength(roomId) : roomId.length;
  const size = bytes > mostBytes ? `${bytes} bytes: ` : '';
  return `RoomId must be 1–${mostBytes} bytes of printable ASCII, got ${size}${quoted(roomId)}`;
}

/**
 * @param named - how the user calls it, where that is not clear: `--room`.
 * @throws ReaperError `INVALID` where it is none.
 */
export function checkRoomId(roomId: string, named?: string): void {
  const problem = roomIdProblem(roomId);
  if (problem === undefined) return;
  throw new ReaperError('INVALID', named === undefined ? problem : `${named}: ${problem}`);
}
