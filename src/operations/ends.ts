/** Rooms chosen by how they ended, as people write it: `failed,expired`, `100001`. */
import { outcomes, type Outcome } from '../destruction.js';
import { ReaperError } from '../errors.js';
import { printable } from '../redact.js';

/** What a report can be of: an outcome, or what has none yet. */
export const reportable = [...outcomes, 'open'] as const;

export interface ChosenEnds {
  /** undefined: however it ended. */
  outcomes: readonly (Outcome | 'open')[] | undefined;
  /** ErrorCodes; undefined: with whichever, or none. */
  codes: readonly number[] | undefined;
}

/**
 * @param name - how the user calls it: `--outcome`.
 * @param texts - each one outcome, or several with commas between; undefined: none was given.
 * @param known - those that may be asked for.
 * @param why - what is said of the others.
 * @throws ReaperError `INVALID`.
 */
export function readOutcomes<Known extends string>(
  name: string,
  texts: readonly string[] | undefined,
  known: readonly Known[],
  why = '',
): Known[] | undefined {
  return partsOf(texts)?.map((text) => {
    const outcome = known.find((each) => each === text);
    if (outcome !== undefined) return outcome;
    throw mustBe(name, known.join(', '), text, why);
  });
}

/** The same for ErrorCodes. */
export function readCodes(
  name: string,
  texts: readonly string[] | undefined,
): number[] | undefined {
  return partsOf(texts)?.map((text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw mustBe(name, 'an ErrorCode such as 100001', text, '');
  });
}

/**
 * @param names - how the user calls the two.
 * @returns undefined where nothing is chosen: all rooms are meant.
 * @throws ReaperError `INVALID`, also where the two exclude each other.
 */
export function readEnds(
  names: { outcome: string; code: string },
  given: { outcome?: readonly string[]; code?: readonly string[] },
): ChosenEnds | undefined {
  const chosen = readOutcomes(names.outcome, given.outcome, reportable);
  const codes = readCodes(names.code, given.code);
  if (codes !== undefined && chosen?.includes('open')) {
    const rule = `${names.outcome} must not be open where ${names.code} is given`;
    throw new ReaperError('INVALID', `${rule}: what has not ended has no code; leave out one`);
  }
  return chosen || codes ? { outcomes: chosen, codes } : undefined;
}

/** Whether a room is one of those; undefined: it has not ended. */
export function isChosen(
  { outcomes: chosen, codes }: ChosenEnds,
  { outcome, errorCode }: { outcome: Outcome | undefined; errorCode: number | undefined },
): boolean {
  const isCode = codes === undefined || codes.some((code) => outcome && code === errorCode);
  return isCode && (chosen === undefined || chosen.includes(outcome ?? 'open'));
}

/** Whether rooms that have not ended can be among them. */
export function mayBeOpen({ outcomes: chosen, codes }: ChosenEnds): boolean {
  return codes === undefined && (chosen === undefined || chosen.includes('open'));
}

/** Each once. */
function partsOf(texts: readonly string[] | undefined): string[] | undefined {
  return texts && [...new Set(texts.flatMap((text) => text.split(',')))];
}

function mustBe(name: string, rule: string, text: string, why: string): ReaperError {
  const got = JSON.stringify(printable(text));
  return new ReaperError('INVALID', `${name} must be ${rule}, got ${got}${why}`);
}
