/** Asks for a list: first the check, then the order. */
import { useRef, useState } from 'preact/hooks';
import { createKeys, Problem, query, sendList } from '../api';
import { useDoing } from '../asking';
import { count, duration, fromLocalInput, percent, rooms } from '../format';
import { Empty, Panel, Time, Trouble } from '../parts';
import { linkTo } from '../routing';
import type { Me } from '../types';

/** Above so many rooms the number must be typed. */
const typedAbove = 1_000;

interface List {
  body: Blob | string;
  type: string;
  words: string;
}

interface Checked {
  requested: number;
  unique: number;
  duplicates: number;
  invalid: number;
  protected?: number;
  seconds: number;
  waitingAhead: number | null;
  onlyCreatedBefore?: string;
  snapshot?: boolean;
  doneAt: string;
}

/** What somebody has typed, by who it is: a session may end while he types. */
const drafts = new Map<string, unknown>();

export function forgetDrafts(): void {
  drafts.clear();
}

/** Like useState, for what is still there when the screen comes back. */
function useDraft<T>(key: string, first: () => T): [T, (value: T) => void] {
  const [value, setValue] = useState(() => (drafts.has(key) ? (drafts.get(key) as T) : first()));
  const keep = (next: T) => {
    drafts.set(key, next);
    setValue(next);
  };
  return [value, keep];
}

const noOptions = {
  ...{ name: '', note: '', at: '', urgent: false },
  ...{ onlyCreatedBefore: '', snapshot: false },
};

function typeOf(name: string): string {
  if (/\.csv$/i.test(name)) return 'text/csv';
  return /\.(ndjson|jsonl)$/i.test(name) ? 'application/x-ndjson' : 'text/plain';
}

export function NewBatch({ me }: { me: Me }) {
  const [list, setList] = useDraft<List | undefined>(`${me.name} list`, () => undefined);
  const [text, setText] = useDraft(`${me.name} text`, () => '');
  const [checked, setChecked] = useState<Checked | undefined>();
  const [sent, setSent] = useState<number | undefined>();
  const [typed, setTyped] = useState('');
  const [options, setOptions] = useDraft(`${me.name} options`, () => noOptions);
  const [skips, setSkips] = useState({ skipInvalid: false, skipProtected: false });
  const [done, setDone] = useState<{ batchId: string; name: string; unique: number } | undefined>();
  const [isOver, setOver] = useState(false);
  const doing = useDoing();
  const stop = useRef<AbortController>(null);
  // Of the list that is taken.
  const [keys, setKeys] = useDraft(`${me.name} keys`, () => ({ of: createKeys() }));

  function take(next: List | undefined): void {
    setList(next);
    setChecked(undefined);
    setTyped('');
    setSkips({ skipInvalid: false, skipProtected: false });
    doing.forget();
    setKeys({ of: createKeys() });
  }
  /** What was checked was another order, where it says when. */
  function choose(change: Partial<typeof options>): void {
    setOptions({ ...options, ...change });
    if (!('name' in change || 'note' in change)) setChecked(undefined);
  }
  function takeFile(file: File): void {
    setText('');
    take({ body: file, type: typeOf(file.name), words: `${file.name}, ${bytes(file.size)}` });
    if (options.name === '') choose({ name: file.name.replace(/\.\w+$/, '') });
  }
  function urlOf(more: Record<string, string | number | undefined>): string {
    const { name, note, at, urgent, onlyCreatedBefore: before, snapshot } = options;
    return `v1/batches${query({
      ...{ name: name.trim(), note: note.trim(), at: fromLocalInput(at) },
      ...(urgent ? { urgent: 'true' } : {}),
      ...{ onlyCreatedBefore: fromLocalInput(before), ...(snapshot ? { snapshot: 'true' } : {}) },
      ...(skips.skipInvalid ? { skipInvalid: 'true' } : {}),
      ...(skips.skipProtected ? { skipProtected: 'true' } : {}),
      ...more,
    })}`;
  }
  async function upload<T>(path: string, withKey: boolean): Promise<T> {
    if (list === undefined) throw new Error('a list is chosen before');
    stop.current = new AbortController();
    setSent(0);
    try {
      const { body, type } = list;
      const sending = { body, type, signal: stop.current.signal };
      return await sendList<T>(
        path,
        { ...sending, ...(withKey ? { key: keys.of(path) } : {}) },
        setSent,
      );
    } finally {
      setSent(undefined);
    }
  }
  async function check(skipping = skips): Promise<void> {
    setChecked(undefined);
    await doing.run(async () => {
      const more = {
        ...(skipping.skipInvalid ? { skipInvalid: 'true' } : {}),
        ...(skipping.skipProtected ? { skipProtected: 'true' } : {}),
      };
      setChecked(await upload<Checked>(urlOf({ ...more, dryRun: 'true' }), false));
    });
  }
  async function order(): Promise<void> {
    await doing.run(async () => {
      const expect = checked?.unique;
      setDone(await upload(urlOf({ expect }), true));
      setText('');
      take(undefined);
      setOptions(noOptions);
    });
  }
  function skip(what: keyof typeof skips): void {
    const next = { ...skips, [what]: true };
    setSkips(next);
    void check(next);
  }

  if (done !== undefined) {
    return (
      <Panel title="Asked for">
        <p class="big">{rooms(done.unique)}</p>
        <p>
          The list is safe. Its rooms are put on the queue now:{' '}
          <a href={linkTo('batches', done.batchId)}>{done.name}</a>
        </p>
        <div class="buttons">
          <button type="button" onClick={() => setDone(undefined)}>
            Another list
          </button>
          <a class="button primary" href={linkTo('batches', done.batchId)}>
            Follow it
          </a>
        </div>
      </Panel>
    );
  }
  const { problem } = doing;
  const isTyped =
    checked === undefined || checked.unique <= typedAbove || typed === String(checked.unique);
  return (
    <>
      <Panel title="1. The list">
        <div
          class={isOver ? 'drop drop-over' : 'drop'}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={(event) => {
            event.preventDefault();
            setOver(false);
            const file = event.dataTransfer?.files[0];
            if (file !== undefined) takeFile(file);
          }}
        >
          <label class="field">
            RoomIds, one a line
            <textarea
              rows={6}
              spellcheck={false}
              value={text}
              onInput={(event) => {
                const value = event.currentTarget.value;
                setText(value);
                const isEmpty = value.trim() === '';
                take(
                  isEmpty
                    ? undefined
                    : { body: value, type: 'text/plain', words: 'what is written' },
                );
              }}
            />
          </label>
          <label class="file">
            <span>or a file: drop it here, or</span>{' '}
            <input
              type="file"
              aria-label="A file of RoomIds"
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                if (file !== undefined) takeFile(file);
              }}
            />
          </label>
          <p class="hint">
            Text with a RoomId a line, CSV with a room_id column, or NDJSON; up to 128 MB.
            {list !== undefined && (
              <>
                {' '}
                Taken: <b>{list.words}</b>
              </>
            )}
          </p>
        </div>
        <div class="filters">
          <label class="field">
            Name
            <input
              value={options.name}
              maxLength={200}
              onInput={(event) => choose({ name: event.currentTarget.value })}
            />
          </label>
          <label class="field">
            Why
            <input
              value={options.note}
              maxLength={2_000}
              onInput={(event) => choose({ note: event.currentTarget.value })}
            />
          </label>
          <label class="field">
            Not before (local time)
            <input
              type="datetime-local"
              value={options.at}
              onInput={(event) => choose({ at: event.currentTarget.value })}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={options.urgent}
              onChange={(event) => choose({ urgent: event.currentTarget.checked })}
            />
            before everything else
          </label>
          <label class="field">
            Only rooms created before (local time)
            <input
              type="datetime-local"
              value={options.onlyCreatedBefore}
              onInput={(event) => choose({ onlyCreatedBefore: event.currentTarget.value })}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={options.snapshot}
              onChange={(event) => choose({ snapshot: event.currentTarget.checked })}
            />
            read statistics first
          </label>
        </div>
        <p class="hint">
          A RoomId can be created again: with a time, a room that was created later is left alone.
          Statistics that are read before a room is destroyed are not lost with an answer; it takes
          about twice as long.
        </p>
        <div class="buttons">
          <button
            type="button"
            class="primary"
            disabled={list === undefined || doing.isBusy}
            onClick={() => void check()}
          >
            Check it
          </button>
        </div>
      </Panel>
      <Panel title="2. What would be done">
        {sent !== undefined && (
          <p role="status" class="sending">
            <progress value={sent} aria-label="Sent" /> {percent(sent)} sent
            {sent >= 1 && ', it is being checked …'}{' '}
            <button type="button" onClick={() => stop.current?.abort()}>
              Stop
            </button>
          </p>
        )}
        <Trouble problem={problem} />
        {problem instanceof Problem && (
          <div class="buttons">
            {problem.remedy?.includes('skipInvalid') && (
              <button type="button" onClick={() => skip('skipInvalid')}>
                Leave out these lines
              </button>
            )}
            {problem.remedy?.includes('skipProtected') && (
              <button type="button" onClick={() => skip('skipProtected')}>
                Leave out protected rooms
              </button>
            )}
          </div>
        )}
        {checked === undefined && sent === undefined && problem === undefined && (
          <Empty>Nothing is asked for before it was checked.</Empty>
        )}
        {checked !== undefined && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (isTyped) void order();
            }}
          >
            <p class="big">{rooms(checked.unique)}</p>
            <ul class="lines">
              <li>{count(checked.requested + (checked.protected ?? 0))} lines</li>
              {checked.duplicates > 0 && (
                <li>{count(checked.duplicates)} named twice, taken once</li>
              )}
              {checked.invalid > 0 && <li>{count(checked.invalid)} no RoomIds, left out</li>}
              {(checked.protected ?? 0) > 0 && (
                <li>{count(checked.protected ?? 0)} protected, left out</li>
              )}
              <li>
                takes {duration(checked.seconds)}, done at <Time at={checked.doneAt} />
                {(checked.waitingAhead ?? 0) > 0 &&
                  `, after ${rooms(checked.waitingAhead ?? 0)} that wait`}
              </li>
              {checked.onlyCreatedBefore !== undefined && (
                <li>
                  rooms created after <Time at={checked.onlyCreatedBefore} /> are left alone
                </li>
              )}
              {checked.snapshot && <li>statistics are read before each room is destroyed</li>}
              <li>app {me.server.sdkAppId}</li>
            </ul>
            {checked.unique > typedAbove && (
              <label class="field">
                Type {checked.unique} to ask for so many
                <input
                  inputMode="numeric"
                  autocomplete="off"
                  value={typed}
                  onInput={(event) => setTyped(event.currentTarget.value.trim())}
                />
              </label>
            )}
            <div class="buttons">
              <button
                type="submit"
                class="danger"
                disabled={!isTyped || doing.isBusy || checked.unique === 0}
              >
                {doing.isBusy ? 'Working …' : `Destroy ${rooms(checked.unique)}`}
              </button>
            </div>
          </form>
        )}
      </Panel>
    </>
  );
}

function bytes(size: number): string {
  return size < 1_000_000 ? `${Math.ceil(size / 1_000)} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}
