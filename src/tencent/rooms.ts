/**
 * What the commands that read say of rooms, from the `Response` of a success. As in the answer to a
 * destroy, what can be read without doubt is read: numbers in text, totals beside the room or under
 * `Statistic`.
 * Source: https://trtc.io/document/63404 (get_room_info), https://trtc.io/document/80421
 * (get_room_stats), https://www.tencentcloud.com/document/product/1071/76888 (get_room_list).
 */
import { z } from 'zod';
import type { Statistics } from '../destruction.js';
import { printable } from '../redact.js';
import { isRoomId } from '../room-id.js';
import { readTotals } from './response.js';

/** Longest text of a room that is kept, in characters. */
const longestText = 100;

/** Seconds since the epoch; later than this they are milliseconds. */
const latestSeconds = 100_000_000_000;

const wholeNumber = z
  .union([
    z.int(),
    z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number),
  ])
  .pipe(z.int().min(0));

/** In milliseconds since the epoch. A room that says 0 does not say it. */
const instant = wholeNumber
  .refine((value) => value > 0)
  .transform((value) => (value > latestSeconds ? value : value * 1_000));

const text = z
  .union([z.string(), z.number().transform(String), z.bigint().transform(String)])
  .transform((value) => printable(value, longestText))
  .optional()
  .catch(undefined);

const info = z.object({ CreateTime: instant });

/** When a room was created, in milliseconds since the epoch, of get_room_info. undefined: it does not say. */
export function readCreatedAt(response: unknown): number | undefined {
  const { data } = z.object({ RoomInfo: z.unknown() }).safeParse(response);
  return info.safeParse(data?.RoomInfo ?? response).data?.CreateTime;
}

/** The totals of a live room, of get_room_stats. undefined: they cannot be read without doubt. */
export function readRoomTotals(response: unknown): Statistics | undefined {
  const { data } = z
    .object({ Statistic: z.unknown(), Statistics: z.unknown(), RoomStats: z.unknown() })
    .partial()
    .safeParse(response);
  return readTotals(data?.Statistic ?? data?.Statistics ?? data?.RoomStats ?? response);
}

/** A room that is live, as get_room_list shows it. */
export interface LiveRoom {
  roomId: string;
  name: string | undefined;
  owner: string | undefined;
  /** Milliseconds since the epoch; undefined: the list does not say. */
  createdAtMs: number | undefined;
  views: number | undefined;
}

export interface RoomPage {
  rooms: LiveRoom[];
  /** Rooms whose id is none that the API documents: nobody can ask for them to be destroyed. */
  unreadable: number;
  /** Where the next page begins; empty: this is the last one. */
  next: string;
}

const page = z.object({
  Next: z
    .union([z.string(), z.int().transform(String), z.bigint().transform(String), z.null()])
    .optional()
    .transform((value) => value ?? ''),
  // Of an empty list some services send null.
  RoomList: z
    .array(
      z.object({
        RoomId: z.string(),
        RoomName: text,
        Owner_Account: text,
        CreateTime: instant.optional().catch(undefined),
        ViewCount: wholeNumber.optional().catch(undefined),
      }),
    )
    .nullish(),
});

/** A page of get_room_list. undefined: it is not the documented one. */
export function readRoomPage(response: unknown): RoomPage | undefined {
  const { data } = page.safeParse(response);
  if (data === undefined) return undefined;
  const listed = data.RoomList ?? [];
  const rooms = listed
    .filter((room) => isRoomId(room.RoomId))
    .map((room) => ({
      roomId: room.RoomId,
      name: room.RoomName,
      owner: room.Owner_Account,
      createdAtMs: room.CreateTime,
      views: room.ViewCount,
    }));
  return { rooms, unreadable: listed.length - rooms.length, next: data.Next };
}
