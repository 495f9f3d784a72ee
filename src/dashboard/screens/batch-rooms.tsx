/** The rooms of a batch. */
import { useEffect, useRef } from 'preact/hooks';
import { query } from '../api';
import { usePages } from '../asking';
import { count } from '../format';
import { Empty, OutcomeWord, Panel, Table, Time, Trouble } from '../parts';
import { linkTo, setQuery, type Place } from '../routing';
import { outcomes, type Batch, type RoomRow } from '../types';
import { outcomeWords } from '../words';
import { More } from './batches';

/** Rooms that a worker has taken up, in the order of their RoomIds. */
export function Rooms({ batch, place }: { batch: Batch; place: Place }) {
  const outcome = outcomes.find((each) => each === place.query.get('outcome'));
  const path = `v1/batches/${encodeURIComponent(batch.id)}/rooms${query({ outcome, limit: 50 })}`;
  const pages = usePages<RoomRow>(path, 'rooms');
  const { isLoading, rows, again } = pages;
  const known = outcome === undefined ? batch.finished : batch.outcomes[outcome];
  // The first ones come by themselves; later ones move nothing before somebody wants them.
  const isBehind = known > 0 && rows.length === 0 && pages.problem === undefined;
  const askedAt = useRef(0);
  useEffect(() => {
    if (!isBehind || isLoading || askedAt.current === known) return;
    askedAt.current = known;
    again();
  }, [known, isLoading]);
  return (
    <Panel
      title="Rooms that a worker has taken up"
      aside={
        <button type="button" disabled={isLoading} onClick={again}>
          Look again
        </button>
      }
    >
      <div class="filters">
        <label class="field">
          Outcome
          <select
            value={outcome ?? ''}
            onChange={(event) =>
              setQuery(place, { outcome: event.currentTarget.value || undefined })
            }
          >
            <option value="">all</option>
            {outcomes.map((each) => (
              <option key={each} value={each}>
                {outcomeWords[each]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Trouble problem={pages.problem} />
      {pages.rows.length > 0 && (
        <Table
          label="Rooms"
          rows={pages.rows}
          keyOf={({ roomId }) => roomId}
          columns={[
            {
              name: 'Room',
              cell: ({ roomId }) => (
                <a class="name" href={linkTo('room', undefined, { id: roomId })}>
                  {roomId}
                </a>
              ),
            },
            {
              name: 'Outcome',
              cell: (row) =>
                row.outcome === null ? row.state : <OutcomeWord outcome={row.outcome} />,
            },
            {
              name: 'Code',
              isNumber: true,
              cell: ({ errorCode }) => (errorCode === null || errorCode === 0 ? '' : errorCode),
            },
            {
              name: 'Viewers',
              isNumber: true,
              cell: ({ totalViewers: n }) => (n === null ? '' : count(n)),
            },
            {
              name: 'Gift coins',
              isNumber: true,
              cell: ({ totalGiftCoins: n }) => (n === null ? '' : count(n)),
            },
            {
              name: 'Likes',
              isNumber: true,
              cell: ({ totalLikesReceived: n }) => (n === null ? '' : count(n)),
            },
            { name: 'Requests', isNumber: true, cell: ({ attempts }) => count(attempts) },
            {
              name: 'Ended',
              cell: ({ finishedAt }) => (finishedAt === null ? '' : <Time at={finishedAt} />),
            },
          ]}
        />
      )}
      {!pages.isLoading && pages.rows.length === 0 && pages.problem === undefined && (
        <Empty>No room is so.</Empty>
      )}
      <More pages={pages} />
    </Panel>
  );
}
