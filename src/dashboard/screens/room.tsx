/** One room: why it is still alive, or what became of it. */
import { useState } from 'preact/hooks';
import { createKeys, query, send } from '../api';
import { useAsked, useDoing } from '../asking';
import { count } from '../format';
import {
  Copy,
  Dialog,
  Empty,
  OutcomeWord,
  Panel,
  ReasonForm,
  sentence,
  Time,
  Told,
  Trouble,
} from '../parts';
import { linkTo, setQuery, type Place } from '../routing';
import type { Attempt, Explanation, Me } from '../types';
import { asHere, laneWords, sourceOf, verdictWords } from '../words';

const roomEveryMs = 2_000;

export function RoomScreen({ me, place }: { me: Me; place: Place }) {
  const roomId = place.query.get('id') ?? '';
  const [written, setWritten] = useState(roomId);
  const [seen, setSeen] = useState(roomId);
  // A link to another room was followed.
  if (seen !== roomId) {
    setSeen(roomId);
    setWritten(roomId);
  }
  const path = roomId === '' ? undefined : `v1/rooms${query({ roomId })}`;
  const asked = useAsked<Explanation>(path, roomEveryMs);
  return (
    <>
      <Panel title="Which room">
        <form
          role="search"
          class="filters"
          onSubmit={(event) => {
            event.preventDefault();
            setQuery(place, { id: written });
          }}
        >
          <label class="field">
            RoomId
            <input
              type="search"
              spellcheck={false}
              value={written}
              onInput={(event) => setWritten(event.currentTarget.value)}
            />
          </label>
          <button type="submit" class="primary" disabled={written === ''}>
            Look
          </button>
        </form>
        <Trouble problem={asked.problem} />
        {path !== undefined && asked.value === undefined && asked.problem === undefined && (
          <Empty>Looking …</Empty>
        )}
      </Panel>
      {asked.value !== undefined && (
        <Explained me={me} explanation={asked.value} again={asked.again} />
      )}
    </>
  );
}

function Explained(props: { me: Me; explanation: Explanation; again: () => void }) {
  const { me, explanation, again } = props;
  const { roomId, summary, pending, destructions, olderDestructions, events } = explanation;
  const [asks, setAsks] = useState<'destroy' | 'cancel' | undefined>();
  const mayAsk = me.role !== 'viewer';
  return (
    <>
      <Panel title={roomId}>
        <p class="big">{sentence(asHere(summary))}</p>
        {pending !== undefined && (
          <dl class="facts">
            <dt>Now</dt>
            <dd>{pending.state}</dd>
            {pending.lane !== undefined && (
              <>
                <dt>Lane</dt>
                <dd>{laneWords[pending.lane]}</dd>
              </>
            )}
            {pending.ahead !== undefined && (
              <>
                <dt>Ahead of it</dt>
                <dd>{count(pending.ahead)}</dd>
              </>
            )}
            {pending.requestedAt !== undefined && (
              <>
                <dt>Asked for</dt>
                <dd>
                  <Time at={pending.requestedAt} />
                </dd>
              </>
            )}
            {pending.deadline !== undefined && (
              <>
                <dt>Given up at</dt>
                <dd>
                  <Time at={pending.deadline} />
                </dd>
              </>
            )}
            {pending.batchId !== undefined && (
              <>
                <dt>Batch</dt>
                <dd>
                  <a href={linkTo('batches', pending.batchId)}>{pending.batchId}</a>
                </dd>
              </>
            )}
          </dl>
        )}
        <div class="buttons">
          {mayAsk && (
            <button type="button" onClick={() => setAsks('destroy')}>
              Ask for it …
            </button>
          )}
          {me.role === 'operator' && (
            <button
              type="button"
              class="danger"
              disabled={pending === undefined}
              onClick={() => setAsks('cancel')}
            >
              Cancel …
            </button>
          )}
        </div>
      </Panel>
      {destructions.map((destruction) => (
        <Panel
          key={destruction.id}
          title={
            destruction.batch === undefined
              ? 'Asked for by itself'
              : `In ${destruction.batch.name ?? destruction.batch.id}`
          }
          aside={destruction.outcome !== undefined && <OutcomeWord outcome={destruction.outcome} />}
        >
          {destruction.batch !== undefined && (
            <p>
              <a href={linkTo('batches', destruction.batch.id)}>Show the batch</a>
            </p>
          )}
          <ol class="timeline">
            <li>
              <Time at={destruction.requestedAt} /> asked for
            </li>
            {destruction.earlierAttempts > 0 && (
              <li>{count(destruction.earlierAttempts)} earlier requests</li>
            )}
            {destruction.attempts.map((attempt) => (
              <li key={attempt.attempt}>
                <AttemptLine attempt={attempt} />
              </li>
            ))}
            {destruction.finishedAt !== undefined && destruction.outcome !== undefined && (
              <li>
                <Time at={destruction.finishedAt} /> <OutcomeWord outcome={destruction.outcome} />
              </li>
            )}
          </ol>
          {sourceOf(destruction.statisticsSource) !== undefined && (
            <p class="hint">Statistics {sourceOf(destruction.statisticsSource)}</p>
          )}
          {destruction.statistics !== undefined && (
            <dl class="facts">
              {Object.entries(destruction.statistics).map(([name, value]) => (
                <>
                  <dt>{statisticWords[name] ?? name}</dt>
                  <dd>{count(value)}</dd>
                </>
              ))}
            </dl>
          )}
        </Panel>
      ))}
      {events.length > 0 && (
        <Panel title="What the API told of its end">
          <ol class="timeline">
            {events.map(({ endedAt, endedBy, operator, statistics }) => (
              <li key={endedAt}>
                <Time at={endedAt} /> ended by{' '}
                {endedBy === 'system' ? 'the system' : (operator ?? 'a user')}
                {statistics === undefined && ', without statistics'}
              </li>
            ))}
          </ol>
        </Panel>
      )}
      {olderDestructions > 0 && (
        <p class="hint">
          It was asked for {count(olderDestructions)} times more before; room-reaper explain shows
          them.
        </p>
      )}
      {asks !== undefined && (
        <AskDialog
          {...{ me, roomId }}
          what={asks}
          onClose={() => {
            setAsks(undefined);
            again();
          }}
        />
      )}
    </>
  );
}

const statisticWords: Readonly<Record<string, string>> = {
  totalViewers: 'Viewers',
  totalGiftsSent: 'Gifts',
  totalGiftCoins: 'Gift coins',
  totalUniqueGiftSenders: 'Gift senders',
  totalLikesReceived: 'Likes',
};

function AttemptLine({ attempt }: { attempt: Attempt }) {
  const { sentAt, slotAt, endedAt, worker, httpStatus, errorCode, verdict, reason } = attempt;
  const at = sentAt ?? slotAt;
  const took =
    sentAt !== undefined && endedAt !== undefined
      ? `${count(Date.parse(endedAt) - Date.parse(sentAt))} ms`
      : undefined;
  return (
    <>
      {at !== undefined && <Time at={at} />} request {attempt.attempt}:{' '}
      <b>{verdict === undefined ? 'no answer is known' : (verdictWords[verdict] ?? verdict)}</b>
      {errorCode !== undefined && errorCode !== 0 && ` (${errorCode})`}
      {reason !== undefined && reason !== verdict && `, ${reason}`}
      {attempt.mayHaveActed === true && '; the room may be gone all the same'}
      <span class="hint">
        {httpStatus !== undefined && ` HTTP ${httpStatus}`}
        {took !== undefined && `, ${took}`}
        {worker !== undefined && `, ${worker}`}
      </span>
      {attempt.requestId !== undefined && (
        <>
          {' '}
          <Copy text={attempt.requestId} label={`RequestId of request ${attempt.attempt}`} />
        </>
      )}
    </>
  );
}

function AskDialog(props: {
  me: Me;
  roomId: string;
  what: 'destroy' | 'cancel';
  onClose: () => void;
}) {
  const { me, roomId, what, onClose } = props;
  const doing = useDoing();
  const [keyOf] = useState(createKeys);
  const [told, setTold] = useState<string | undefined>();
  async function act(reason: string): Promise<void> {
    const why = reason === '' ? undefined : reason;
    await doing.run(async () => {
      if (what === 'destroy') {
        const body = { roomId, ...(why && { note: why }) };
        const { state } = await send<{ state: string }>(
          'v1/rooms',
          body,
          keyOf(JSON.stringify(body)),
        );
        setTold(
          state === 'added'
            ? 'It is asked for.'
            : state === 'pending'
              ? 'It was asked for before, and is under way.'
              : 'It was asked for before, and goes sooner now.',
        );
        return;
      }
      const body = { roomIds: [roomId], ...(why && { reason: why }) };
      const { cancelled } = await send<{ cancelled: number }>('v1/rooms/cancel', body);
      setTold(
        cancelled > 0
          ? 'It is taken back.'
          : 'Nothing was taken back: it was sent before, or ended.',
      );
    });
  }
  return (
    <Dialog title={what === 'destroy' ? `Destroy ${roomId}` : `Cancel ${roomId}`} onClose={onClose}>
      {told !== undefined ? (
        <Told onClose={onClose}>{told}</Told>
      ) : (
        <ReasonForm
          action={what === 'destroy' ? 'Destroy it' : 'Cancel it'}
          isDangerous
          isOptional
          isBusy={doing.isBusy}
          onCancel={onClose}
          onReason={(reason) => void act(reason)}
        >
          <p>
            {what === 'destroy'
              ? `The live room of app ${me.server.sdkAppId} is closed for everybody in it.`
              : 'It is taken back, unless it is sent meanwhile.'}
          </p>
          <Trouble problem={doing.problem} />
        </ReasonForm>
      )}
    </Dialog>
  );
}
