import fc from 'fast-check';

const surrogates = { first: 0xd800, count: 0x800 };

function characterAt(index: number): string {
  return String.fromCodePoint(index < surrogates.first ? index : index + surrogates.count);
}

function indexOf(character: unknown): number {
  const [code = Number.NaN, ...more] = Array.from(String(character), (each) => each.codePointAt(0));
  if (more.length > 0 || Number.isNaN(code)) throw new Error('not one character');
  return code < surrogates.first ? code : code - surrogates.count;
}

/**
 * Any character of Unicode, as fast-check's unit `binary` has them, which lists all of them first: a
 * second for each process.
 */
const anyCharacter = fc.nat({ max: 0x10_ffff - surrogates.count }).map(characterAt, indexOf);

/** Any text, also what often goes wrong (`__proto__`). */
export const anyText = (constraints: Omit<fc.StringConstraints, 'unit'> = {}) =>
  fc.string({ ...constraints, unit: anyCharacter });
