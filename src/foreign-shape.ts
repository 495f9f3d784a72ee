/**
 * Nearly any text has the form of a RoomId. So a list in another notation would be read as
 * RoomIds that nobody has: rooms "already gone", or a protection that protects nothing.
 */

type Shape = readonly [pattern: RegExp, has: string];

/** What no RoomId is meant to have. */
const foreign: readonly Shape[] = [
  [/^ | $/, 'a space at an edge'],
  [/^["'`]|^[^"'`]*["'`]$|^\d+\) ".*"$/, 'a quote at an edge'],
  [/^[[\]{}]+,?$|^[[{] *["'[{]/, 'the form of JSON'],
  [/^<[!?/a-z]/, 'the form of HTML or XML'],
  [/^[-+=*_|: ]{3,}$|^\||\|$|^-\[ |^\*{3,} /, 'the form of a printed table'],
  [/^\(?\d+ rows?(\)| in set| selected| affected)|^Empty set/, 'the form of a line below a table'],
  [/^room[ _-]?ids?\s*([:=|,;]|$)/, 'the form of a header or a key'],
  [/[,;]$/, 'a separator at its end'],
  [/^#(N\/A|[A-Z/0]+[!?]$|#+$)|^\d([.,]\d+)?E\+\d+$/, 'what a spreadsheet makes of a value'],
  [/^\\N$/, 'the form of an empty field'],
];

/** What few RoomIds are meant to have. */
const doubtful: readonly Shape[] = [
  [/^(#|\/\/|--|;)| (#|\/\/|--|;)/, 'the form of a comment'],
  [/^[-*+] |^\d+[.)] /, 'the form of an item of a list'],
  [/^\d{15}0{2,}$|^\d+\.0$/, 'the form of a number that a spreadsheet or program rounded'],
  [/^(null|none|nil|nan|n\/a|undefined|true|false|\[object Object\])$/, 'the form of no value'],
  [/^(error|warning|fatal|usage|traceback)\b.*:/, 'the form of a message'],
  [/%[0-9a-f]{2}|&(amp|quot|lt|gt|#\d+);/, 'characters that are encoded'],
  [/ {2}/, 'several spaces in it, as columns have'],
  [/[,;|]/, 'a separator in it'],
];

const finderOf = (shapes: readonly Shape[]) => {
  const caseless = shapes.map(([pattern, has]) => [new RegExp(pattern, 'i'), has] as const);
  // Nearly all have none: one look for each.
  const any = new RegExp(shapes.map(([pattern]) => pattern.source).join('|'), 'i');
  return (text: string): string | undefined =>
    any.test(text) ? caseless.find(([pattern]) => pattern.test(text))?.[1] : undefined;
};

/** What a text has that no RoomId is meant to have; undefined: nothing. */
export const foreignShape = finderOf(foreign);

/** What a text has that a RoomId may have, but is hardly meant to; undefined: nothing. */
export const doubtfulShape = finderOf(doubtful);
