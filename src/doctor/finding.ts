/** What the doctor finds. */
export type Level =
  | 'ok'
  /** It works, and somebody should know. */
  | 'warning'
  /** It does not work, or will lose something. */
  | 'problem';

export interface Finding {
  level: Level;
  text: string;
  /** What to do about it. */
  remedy?: string;
}

export function ok(text: string): Finding {
  return { level: 'ok', text };
}

export function warning(text: string, remedy?: string): Finding {
  return { level: 'warning', text, ...(remedy === undefined ? {} : { remedy }) };
}

export function problem(text: string, remedy?: string): Finding {
  return { level: 'problem', text, ...(remedy === undefined ? {} : { remedy }) };
}
