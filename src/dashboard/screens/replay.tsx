/** A replay in two steps: what it would do, and that very thing. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { createKeys, Problem, send } from '../api';
import { useDoing } from '../asking';
import { count, duration, rooms } from '../format';
import { Dialog, OutcomeWord, sentence, Table, Time, Trouble } from '../parts';
import { linkTo } from '../routing';
import { replayable, type Failure, type Outcome, type Preview } from '../types';
import { fateWords } from '../words';

/** What chooses the rooms; times are absolute. */
export interface ReplayChoice {
  batch?: string;
  /** null: those that have none. */
  codes?: (number | null)[];
  outcomes?: Outcome[];
  from?: string;
  to?: string;
  rooms?: string[];
}

/** Exactly the rooms of a line of "what went wrong". */
export function choiceOf({ outcome, errorCode }: Failure): ReplayChoice {
  return { outcomes: [outcome], codes: [errorCode] };
}

function withCancelled(chosen: readonly Outcome[] = replayable): Outcome[] {
  return [...new Set<Outcome>([...chosen, 'cancelled'])];
}

export function ReplayDialog({ choice, onClose }: { choice: ReplayChoice; onClose: () => void }) {
  const [preview, setPreview] = useState<Preview | undefined>();
  const [hasChanged, setChanged] = useState(false);
  const [force, setForce] = useState(false);
  const [takesCancelled, setTakesCancelled] = useState(false);
  const [note, setNote] = useState('');
  const [done, setDone] = useState<{ batchId: string | null; rooms: number } | undefined>();
  const doing = useDoing();
  const keyOf = useRef(createKeys());
  const wish = {
    ...choice,
    ...(force ? { force } : {}),
    // Cancelled rooms go again only where they are named.
    ...(takesCancelled ? { outcomes: withCancelled(choice.outcomes) } : {}),
  };

  useEffect(() => {
    void doing.run(async () => {
      setPreview(await send<Preview>('v1/replays?dryRun=true', wish));
    });
  }, [force, takesCancelled]);

  async function run(plan: string): Promise<void> {
    await doing.run(async () => {
      try {
        const body = { ...wish, plan, ...(note.trim() === '' ? {} : { note: note.trim() }) };
        setDone(await send('v1/replays', body, keyOf.current(JSON.stringify(body))));
      } catch (error) {
        // Other rooms would be taken by now: it says which, and nothing was done.
        if (!(error instanceof Problem) || !('plan' in error.facts)) throw error;
        setPreview(error.facts as unknown as Preview);
        setChanged(true);
      }
    });
  }
  return (
    <Dialog title="Replay" onClose={onClose}>
      {done !== undefined ? (
        <>
          <p>
            {done.batchId === null
              ? 'Nothing was left to ask for.'
              : `${rooms(done.rooms)} asked for again, as a batch of its own.`}
          </p>
          <div class="buttons">
            <button type="button" onClick={onClose}>
              Close
            </button>
            {done.batchId !== null && (
              <a class="button primary" href={linkTo('batches', done.batchId)} onClick={onClose}>
                Show it
              </a>
            )}
          </div>
        </>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (preview !== undefined) void run(preview.plan);
          }}
        >
          {hasChanged && (
            <p class="trouble" role="alert">
              <strong>The choice has changed since it was shown.</strong> Nothing was asked for;
              below is what it would be now.
            </p>
          )}
          <Trouble problem={doing.problem} />
          {preview === undefined && doing.problem === undefined && <p>Looking …</p>}
          {preview !== undefined && (
            <>
              <p class="big">{rooms(preview.rooms)} would be asked for again</p>
              <p class="hint">{sentence(preview.note)}</p>
              <p>
                {preview.rooms > 0 && (
                  <>
                    Takes {duration(preview.seconds)}, done at <Time at={preview.doneAt} />
                    {preview.waitingBefore > 0 &&
                      `, after ${rooms(preview.waitingBefore)} that wait`}
                    .
                  </>
                )}
              </p>
              <Table
                label="What is chosen"
                rows={preview.groups}
                keyOf={(group) => `${group.fate} ${group.outcome} ${group.errorCode}`}
                columns={[
                  { name: 'Rooms', isNumber: true, cell: (group) => count(group.rooms) },
                  { name: 'Outcome', cell: (group) => <OutcomeWord outcome={group.outcome} /> },
                  {
                    name: 'Why',
                    cell: ({ errorCode, meaning }) =>
                      errorCode === null ? '' : `${errorCode} ${meaning ?? ''}`,
                  },
                  { name: 'What becomes of them', cell: ({ fate }) => fateWords[fate] ?? fate },
                ]}
              />
              {(force || preview.groups.some(({ fate }) => fate === 'refused')) && (
                <label class="check">
                  <input
                    type="checkbox"
                    checked={force}
                    onChange={(event) => setForce(event.currentTarget.checked)}
                  />
                  also those that were refused for good
                </label>
              )}
              {(takesCancelled || preview.groups.some(({ fate }) => fate === 'cancelled')) && (
                <label class="check">
                  <input
                    type="checkbox"
                    checked={takesCancelled}
                    onChange={(event) => setTakesCancelled(event.currentTarget.checked)}
                  />
                  also those that were cancelled
                </label>
              )}
              <label class="field">
                Why (kept with the batch)
                <input
                  value={note}
                  maxLength={2_000}
                  onInput={(event) => setNote(event.currentTarget.value)}
                />
              </label>
            </>
          )}
          <div class="buttons">
            <button type="button" onClick={onClose}>
              Back
            </button>
            <button
              type="submit"
              class="primary"
              disabled={doing.isBusy || preview === undefined || preview.rooms === 0}
            >
              {doing.isBusy
                ? 'Working …'
                : `Replay ${preview === undefined ? '' : rooms(preview.rooms)}`}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
