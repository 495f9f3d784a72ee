/** What several screens are made of. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Problem } from './api';
import { count, localTime, percent, rooms } from './format';
import { outcomes, type Outcome, type RoomsFailure } from './types';
import { outcomeWords } from './words';

/** Local; UTC where the pointer rests, and for machines. */
export function Time({ at, isDated = false }: { at: string | Date; isDated?: boolean }) {
  const date = new Date(at);
  const iso = date.toISOString();
  return (
    <time dateTime={iso} title={`${iso.replace('T', ' ').replace(/\.\d+Z$/, '')} UTC`}>
      {isDated ? localTime(date, new Date(0)) : localTime(date)}
    </time>
  );
}

export function Panel(props: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
  class?: string;
}) {
  return (
    <section class={`panel ${props.class ?? ''}`}>
      <div class="panel-head">
        <h2>{props.title}</h2>
        {props.aside}
      </div>
      {props.children}
    </section>
  );
}

/** So many errors of a list the API tells, at most. */
const mostErrors = 100;

/** What went wrong, and what to do. */
export function Trouble({ problem }: { problem: Problem | undefined }) {
  if (problem === undefined) return null;
  const { message, remedy, errors } = problem;
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{sentence(message)}</strong>
        {remedy !== undefined && ` ${sentence(remedy)}`}
      </p>
      {errors.length > 0 && (
        <ul class="lines">
          {errors.map(({ line, detail }, index) => (
            <li key={index}>
              {line !== undefined && <b>Line {count(line)}: </b>}
              {detail}
            </li>
          ))}
          {errors.length === mostErrors && <li>Only the first {mostErrors} are shown.</li>}
        </ul>
      )}
    </div>
  );
}

/** The API's sentences begin small and end without a full stop. */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand at the right. */
  isNumber?: boolean;
}

/** Columns keep their names; on a narrow screen each row becomes a card of its own. */
export function Table<T>(props: {
  label: string;
  columns: readonly (Column<T> | false)[];
  rows: readonly T[];
  keyOf: (row: T) => string;
}) {
  const columns = props.columns.filter((column) => column !== false);
  return (
    <table class="rows" aria-label={props.label}>
      <thead>
        <tr>
          {columns.map(({ name, isNumber }) => (
            <th key={name} scope="col" class={isNumber ? 'number' : ''}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row) => (
          <tr key={props.keyOf(row)}>
            {columns.map(({ name, cell, isNumber }) => (
              <td key={name} data-name={name} class={isNumber ? 'number' : ''}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A batch as one bar by outcome that fills. What has not ended is empty. */
export function OutcomeBar({ counts, total }: { counts: Record<Outcome, number>; total: number }) {
  const ended = outcomes.reduce((sum, outcome) => sum + counts[outcome], 0);
  const whole = Math.max(total, ended, 1);
  let left = 0;
  const parts = outcomes.flatMap((outcome) => {
    const width = (counts[outcome] / whole) * 100;
    const x = left;
    left += width;
    return width === 0 ? [] : [{ outcome, x, width }];
  });
  const told = outcomes
    .filter((outcome) => counts[outcome] > 0)
    .map((outcome) => `${count(counts[outcome])} ${outcomeWords[outcome]}`);
  const label = `${percent(ended / whole)} ended${told.length > 0 ? `: ${told.join(', ')}` : ''}`;
  return (
    <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="bar-open" width="100" height="10" />
      {parts.map(({ outcome, x, width }) => (
        <rect key={outcome} class={`fill-${outcome}`} x={x} width={width} height="10" />
      ))}
    </svg>
  );
}

function OutcomeDot({ outcome }: { outcome: Outcome }) {
  return <span class={`dot dot-${outcome}`} aria-hidden="true" />;
}

export function Legend({ counts }: { counts: Record<Outcome, number> }) {
  return (
    <ul class="legend">
      {outcomes.map((outcome) => (
        <li key={outcome} class={counts[outcome] === 0 ? 'none' : ''}>
          <OutcomeDot outcome={outcome} /> {outcomeWords[outcome]} <b>{count(counts[outcome])}</b>
        </li>
      ))}
    </ul>
  );
}

export function OutcomeWord({ outcome }: { outcome: Outcome }) {
  return (
    <span class="outcome">
      <OutcomeDot outcome={outcome} />
      {outcomeWords[outcome]}
    </span>
  );
}

/** Why rooms are not gone, and what to do. @param marks - what else is to be said of them. */
export function FailureText(props: { failure: RoomsFailure; marks?: ComponentChildren }) {
  const { outcome, errorCode, errorInfo, meaning, remedy, rooms: failed } = props.failure;
  // Those that were never sent, or taken back, had no answer to miss.
  const why = meaning ?? errorInfo ?? (outcome === 'failed' ? 'no answer came' : null);
  return (
    <>
      <p class="failure-head">
        <OutcomeWord outcome={outcome} /> {errorCode !== null && <b>{errorCode}</b>} {rooms(failed)}
        {props.marks}
      </p>
      <p>
        {why !== null && sentence(why)} {remedy !== null && sentence(remedy)}
      </p>
    </>
  );
}

/** What came of something, and the way back. */
export function Told({ children, onClose }: { children: ComponentChildren; onClose: () => void }) {
  return (
    <>
      <p role="status">{children}</p>
      <div class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </>
  );
}

/** The native one: it keeps the keyboard inside, and Escape leaves it. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before it is painted, so that whoever types at once types into it.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      // Until then nothing else can have the focus.
      shown?.close();
      if (before instanceof HTMLElement) before.focus();
      // What was done has disabled the button, or taken it away.
      if (document.activeElement !== before) document.getElementById('main')?.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={props.onClose}>
      <h2 id="dialog-title">{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Asks why, before something is done. */
export function ReasonForm(props: {
  action: string;
  isDangerous?: boolean;
  isOptional?: boolean;
  isBusy: boolean;
  onCancel: () => void;
  onReason: (reason: string) => void;
  children?: ComponentChildren;
  isDisabled?: boolean;
}) {
  const [reason, setReason] = useState('');
  const isMissing = props.isOptional !== true && reason.trim() === '';
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!isMissing) props.onReason(reason.trim());
      }}
    >
      {props.children}
      <label class="field">
        Why{props.isOptional === true ? ' (kept in the action log)' : ''}
        <input
          value={reason}
          maxLength={2_000}
          required={props.isOptional !== true}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <div class="buttons">
        <button type="button" onClick={props.onCancel}>
          Back
        </button>
        <button
          type="submit"
          class={props.isDangerous ? 'danger' : 'primary'}
          disabled={props.isBusy || isMissing || props.isDisabled === true}
        >
          {props.isBusy ? 'Working …' : props.action}
        </button>
      </div>
    </form>
  );
}

/** Copies, also on plain http, where the clipboard's API is not there. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [isCopied, setCopied] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      field.current?.select();
      // The only way without https.
      // oxlint-disable-next-line typescript/no-deprecated
      document.execCommand('copy');
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  }
  return (
    <span class="copy">
      <input ref={field} readOnly value={text} aria-label={label} size={text.length} />
      <button type="button" onClick={() => void copy()}>
        {isCopied ? 'Copied' : 'Copy'}
        <span class="hidden"> {label}</span>
      </button>
    </span>
  );
}

/**
 * Keeps rows where they are while the pointer or the keyboard is among them: new ones wait.
 *
 * @returns the rows in the order to show, how many are held back, and what the region needs.
 */
export function useStill<T>(rows: readonly T[], keyOf: (row: T) => string) {
  const [isHeld, setHeld] = useState(false);
  const order = useRef<string[]>([]);
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  if (!isHeld) order.current = [...byKey.keys()];
  const shown = order.current.flatMap((key) => byKey.get(key) ?? []);
  return {
    rows: shown,
    waiting: [...byKey.keys()].filter((key) => !order.current.includes(key)).length,
    region: {
      onMouseEnter: () => setHeld(true),
      onMouseLeave: () => setHeld(false),
      onFocusIn: () => setHeld(true),
      onFocusOut: () => setHeld(false),
    },
  };
}
