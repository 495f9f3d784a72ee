/** One batch: how far it is, what went wrong and what to do, its rooms, its report. */
import { useState } from 'preact/hooks';
import { query, send } from '../api';
import { useAsked, useDoing } from '../asking';
import { count, decimal, duration, rooms as roomsWord } from '../format';
import {
  Copy,
  Dialog,
  Empty,
  Legend,
  OutcomeBar,
  Panel,
  ReasonForm,
  sentence,
  Table,
  Time,
  Told,
  Trouble,
} from '../parts';
import { linkTo, type Place } from '../routing';
import { replayable, type Batch, type Failure, type Me } from '../types';
import { asHere, batchWords, sources } from '../words';
import { Rooms } from './batch-rooms';
import { batchColumns, batchName, progressPart } from './batches';
import { Failures } from './failures';
import { choiceOf, ReplayDialog, type ReplayChoice } from './replay';
import { Survivors } from './survivors';

const batchEveryMs = 1_000;
const failuresEveryMs = 10_000;
const replaysEveryMs = 15_000;
const formats = [
  ['csv', 'CSV'],
  ['ndjson', 'NDJSON'],
  ['json', 'JSON'],
  ['html', 'a page to print'],
] as const;

export function BatchScreen({ me, id, place }: { me: Me; id: string; place: Place }) {
  const path = `v1/batches/${encodeURIComponent(id)}`;
  const [hasEnded, setEnded] = useState(false);
  const asked = useAsked<Batch>(path, hasEnded ? undefined : batchEveryMs);
  const maySee = me.role !== 'producer';
  const failures = useAsked<{ errors: Failure[] }>(
    maySee ? `v1/errors${query({ batch: id })}` : undefined,
    hasEnded ? undefined : failuresEveryMs,
  );
  // The id of the URL may be a name.
  const replays = useAsked<{ batches: Batch[] }>(
    asked.value && `v1/batches${query({ parent: asked.value.id })}`,
    replaysEveryMs,
  );
  const batches = replays.value?.batches ?? [];
  const [replaying, setReplaying] = useState<ReplayChoice | undefined>();
  const [cancels, setCancels] = useState(false);
  const batch = asked.value;
  const isOver = batch?.finishedAt !== undefined;
  if (isOver !== hasEnded && batch !== undefined) setEnded(isOver);
  if (batch === undefined) {
    return (
      <>
        <Trouble problem={asked.problem} />
        {asked.problem === undefined && <Empty>Looking …</Empty>}
      </>
    );
  }
  const isOperator = me.role === 'operator';
  return (
    <>
      <Panel
        title={batchName(batch)}
        aside={<span class={`word word-${batch.state}`}>{batchWords[batch.state]}</span>}
      >
        {asked.problem !== undefined && asked.at !== undefined && (
          <p class="stale" role="status">
            {asked.problem.message}; as it was at <Time at={asked.at} />
          </p>
        )}
        <Progress batch={batch} />
        <Facts batch={batch} />
        {(batch.lastRooms?.length ?? 0) > 0 && (
          <details open>
            <summary>The last rooms</summary>
            <ul class="lines">
              {batch.lastRooms?.map(({ roomId, summary }) => (
                <li key={roomId}>
                  <a href={linkTo('room', undefined, { id: roomId })}>{roomId}</a>:{' '}
                  {asHere(summary)}
                </li>
              ))}
            </ul>
          </details>
        )}
        <div class="buttons">
          {formats.map(([format, name]) => (
            <a key={format} class="button" href={`${path}/report?format=${format}`} download>
              Report as {name}
            </a>
          ))}
          {isOperator && (
            <button
              type="button"
              disabled={!isOver || notGone(batch) === 0}
              onClick={() => setReplaying({ batch: batch.id })}
            >
              Replay what is not gone …
            </button>
          )}
          {isOperator && (
            <button
              type="button"
              class="danger"
              disabled={isOver || batch.state === 'cancelled'}
              onClick={() => setCancels(true)}
            >
              Cancel …
            </button>
          )}
        </div>
      </Panel>
      {maySee && (
        <Failures
          title="What went wrong"
          failures={failures}
          areComing={!isOver && notGone(batch) > 0}
          onReplay={
            isOperator
              ? (failure) => setReplaying({ batch: batch.id, ...choiceOf(failure) })
              : undefined
          }
        />
      )}
      {batches.length > 0 && (
        <Panel title="Replayed by">
          <Table
            label="Replays"
            columns={batchColumns}
            rows={batches}
            keyOf={({ id: key }) => key}
          />
        </Panel>
      )}
      <Rooms batch={batch} place={place} />
      {maySee && <Survivors key={batch.id} batch={batch} />}
      {replaying !== undefined && (
        <ReplayDialog
          choice={replaying}
          onClose={() => {
            setReplaying(undefined);
            failures.again();
            replays.again();
          }}
        />
      )}
      {cancels && (
        <CancelDialog
          batch={batch}
          onClose={() => {
            setCancels(false);
            asked.again();
          }}
        />
      )}
    </>
  );
}

function notGone({ outcomes: counts }: Batch): number {
  return replayable.reduce((sum, outcome) => sum + counts[outcome], 0);
}

function Progress({ batch }: { batch: Batch }) {
  const { total, finished, outcomes: counts } = batch;
  const from = sources(batch.statisticsFrom);
  return (
    <>
      <p class="big">
        {count(finished)} of {roomsWord(total)}
        <span class="hint"> {progressPart(batch)}</span>
      </p>
      <div class="bar-large">
        <OutcomeBar counts={counts} total={total} />
      </div>
      <Legend counts={counts} />
      {from !== undefined && <p class="hint">Rooms with statistics: {from}</p>}
      {batch.finishedAt !== undefined && finished < total && (
        <p>
          {sentence(
            `${roomsWord(total - finished)} had not been put on the queue when it was cancelled, and were left alone`,
          )}
        </p>
      )}
    </>
  );
}

function Facts({ batch }: { batch: Batch }) {
  const { ratePerSecond, etaSeconds, finishedAt, cancelledAt, cancelledBy, createdAt } = batch;
  return (
    <dl class="facts">
      <dt>Asked for</dt>
      <dd>
        <Time at={createdAt} />
        {batch.by !== undefined && ` by ${batch.by}`}
      </dd>
      {batch.note !== undefined && (
        <>
          <dt>Why</dt>
          <dd>{batch.note}</dd>
        </>
      )}
      {batch.onlyCreatedBefore !== undefined && (
        <>
          <dt>Left alone</dt>
          <dd>
            rooms created after <Time at={batch.onlyCreatedBefore} />
          </dd>
        </>
      )}
      {batch.snapshot && (
        <>
          <dt>Statistics</dt>
          <dd>are read before each room is destroyed</dd>
        </>
      )}
      {finishedAt === undefined ? (
        <>
          <dt>Rate</dt>
          <dd>{ratePerSecond === undefined ? '–' : `${decimal(ratePerSecond)} rooms/s`}</dd>
          <dt>Left</dt>
          <dd>{etaSeconds === undefined ? 'not known now' : duration(etaSeconds)}</dd>
        </>
      ) : (
        <>
          <dt>Ended</dt>
          <dd>
            <Time at={finishedAt} />, after{' '}
            {duration((Date.parse(finishedAt) - Date.parse(createdAt)) / 1_000)}
          </dd>
        </>
      )}
      {cancelledAt !== undefined && (
        <>
          <dt>Cancelled</dt>
          <dd>
            <Time at={cancelledAt} />
            {cancelledBy !== undefined && ` by ${cancelledBy}`}
          </dd>
        </>
      )}
      {batch.replayOf !== undefined && (
        <>
          <dt>Replays</dt>
          <dd>
            {batch.parentId === undefined ? (
              batch.replayOf
            ) : (
              <a href={linkTo('batches', batch.parentId)}>{batch.replayOf}</a>
            )}
          </dd>
        </>
      )}
      <dt>Id</dt>
      <dd>
        <Copy text={batch.id} label="id of the batch" />
      </dd>
    </dl>
  );
}

interface CancelPreview {
  batches: { total: number; finished: number; open: number }[];
}

interface Cancelled {
  cancelled: number;
  batches: { neverQueued: number }[];
  sentBefore: number;
  inHand: unknown[];
  leftInHand: number;
  goOnForOthers: number;
}

function CancelDialog({ batch, onClose }: { batch: Batch; onClose: () => void }) {
  const path = `v1/batches/${encodeURIComponent(batch.id)}/cancel`;
  const [preview, setPreview] = useState<CancelPreview | undefined>();
  const [result, setResult] = useState<Cancelled | undefined>();
  const doing = useDoing();
  const [isAsked, setAsked] = useState(false);
  if (!isAsked) {
    setAsked(true);
    void doing.run(async () => setPreview(await send<CancelPreview>(path, { dryRun: true })));
  }
  const open = preview?.batches.reduce((sum, each) => sum + each.open, 0);
  // Those that were not on the queue yet are not put there any more.
  const taken =
    result && result.batches.reduce((sum, each) => sum + each.neverQueued, result.cancelled);
  return (
    <Dialog title={`Cancel ${batchName(batch)}`} onClose={onClose}>
      {taken === undefined ? (
        <ReasonForm
          action="Cancel it"
          isDangerous
          isOptional
          isBusy={doing.isBusy}
          isDisabled={open === undefined || open === 0}
          onCancel={onClose}
          onReason={(reason) =>
            void doing.run(async () =>
              setResult(await send<Cancelled>(path, reason === '' ? {} : { reason })),
            )
          }
        >
          <Trouble problem={doing.problem} />
          {open !== undefined && (
            <p>
              <b>{roomsWord(open)}</b> of {count(batch.total)} have not ended. Those are taken back,
              unless they end meanwhile; what is under way ends by itself.
            </p>
          )}
        </ReasonForm>
      ) : (
        <Told onClose={onClose}>
          <b>{roomsWord(taken)}</b> taken back.{' '}
          {open !== undefined &&
            open > taken &&
            sentence(
              `${count(open - taken)} of the ${count(open)} could not be taken back: they were sent before, or go on for another batch`,
            )}
        </Told>
      )}
    </Dialog>
  );
}
