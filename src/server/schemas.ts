/** What several routes take. */
import { z } from '@hono/zod-openapi';
import { outcomes } from '../destruction.js';
import { roomIdProblem } from '../room-id.js';

export const roomId = z
  .string()
  .superRefine((value, context) => {
    const message = roomIdProblem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .meta({ description: 'a RoomId: 1–48 bytes, see docs/guide.md', example: 'live-room-42' });

/** In milliseconds since the epoch. */
export const time = z.iso
  .datetime({ offset: true, error: 'must be a time with an offset such as 2026-11-23T02:30:00Z' })
  .transform((value) => Date.parse(value))
  .meta({ example: '2026-11-23T02:30:00Z' });

export const createdBefore = time.meta({
  description:
    'only rooms that were created by then; another one ends as `recreated`, and nothing is sent for it',
});

/** Of a query: a whole number, in text. */
const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^-?\d{1,10}$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, {
      error: `must be a whole number from ${minimum} to ${maximum}`,
    })
    .meta({ type: 'integer', minimum, maximum });

export const limit = integer(1, 500).default(100);
export const code = integer(-(2 ** 31), 2 ** 31 - 1);
export const expected = integer(0, 2 ** 31 - 1);
export const seconds = integer(0, 2 ** 31 - 1);
export const views = integer(0, 2 ** 31 - 1);
export const note = z.string().min(1).max(2_000).meta({ description: 'why; it is kept' });
export const outcome = z.enum(outcomes);

/** `true` or `false`, in text. */
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

export const batch = z.string().min(1).max(200).meta({ description: 'id or name of a batch' });

export const cursor = z.string().max(1_000).meta({ description: '`next` of the page before' });

/** In a path. */
export const batchPath = z.strictObject({ id: batch });

/** What a page ended with, as the cursor of the next one. */
export function cursorOf(place: string): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The reverse, as a schema. */
export const place = cursor.transform((value, context) => {
  try {
    const read: unknown = JSON.parse(Buffer.from(value, 'base64url').toString());
    if (typeof read === 'string' && !read.includes('\0')) return read;
  } catch {
    // As below.
  }
  context.addIssue({ code: 'custom', message: 'must be `next` of a page of the same list' });
  return z.NEVER;
});
