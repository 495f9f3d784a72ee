/** The batches that were asked for, newest first. The filter stands in the URL. */
import { usePages } from '../asking';
import { query } from '../api';
import { count, decimal, duration, percent } from '../format';
import { Empty, OutcomeBar, Panel, Table, Time, Trouble, type Column } from '../parts';
import { linkTo, setQuery, type Place } from '../routing';
import { outcomes, type Batch, type Me } from '../types';
import { batchWords, outcomeWords } from '../words';

export function batchName({ name, id }: Pick<Batch, 'name' | 'id'>): string {
  return name ?? id;
}

/** What did not end well, in a few words. */
function trouble({ outcomes: counts }: Batch): string {
  return outcomes
    .filter((outcome) => !['destroyed', 'already_gone'].includes(outcome) && counts[outcome] > 0)
    .map((outcome) => `${count(counts[outcome])} ${outcomeWords[outcome]}`)
    .join(', ');
}

export const batchColumns: readonly Column<Batch>[] = [
  {
    name: 'Batch',
    cell: (batch) => (
      <a class="name" href={linkTo('batches', batch.id)}>
        {batchName(batch)}
      </a>
    ),
  },
  {
    name: 'State',
    cell: ({ state }) => <span class={`word word-${state}`}>{batchWords[state]}</span>,
  },
  {
    name: 'Progress',
    cell: (batch) => (
      <span class="progress">
        <OutcomeBar counts={batch.outcomes} total={batch.total} />
        <span class="progress-part">
          {batch.total === 0 ? '–' : percent(batch.finished / batch.total)}
        </span>
      </span>
    ),
  },
  { name: 'Rooms', isNumber: true, cell: ({ total }) => count(total) },
  {
    name: 'Rate',
    isNumber: true,
    cell: ({ ratePerSecond }) => (ratePerSecond === undefined ? '' : `${decimal(ratePerSecond)}/s`),
  },
  {
    name: 'Left',
    isNumber: true,
    cell: ({ etaSeconds }) => (etaSeconds === undefined ? '' : duration(etaSeconds)),
  },
  { name: 'Not well', cell: trouble },
  { name: 'By', cell: ({ by }) => by ?? '' },
  { name: 'Asked for', cell: ({ createdAt }) => <Time at={createdAt} /> },
];

export function Batches({ place }: { me: Me; place: Place }) {
  const wish = Object.fromEntries(place.query);
  const pages = usePages<Batch>(`v1/batches${query({ ...wish, limit: 50 })}`, 'batches');
  return (
    <Panel title="Asked for, newest first">
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          Name
          <input
            type="search"
            value={wish['name'] ?? ''}
            onChange={(event) => setQuery(place, { name: event.currentTarget.value || undefined })}
          />
        </label>
        <label class="field">
          By
          <input
            type="search"
            value={wish['by'] ?? ''}
            onChange={(event) => setQuery(place, { by: event.currentTarget.value || undefined })}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={wish['unfinished'] === 'true'}
            onChange={(event) =>
              setQuery(place, { unfinished: event.currentTarget.checked ? 'true' : undefined })
            }
          />
          not ended
        </label>
      </form>
      <Trouble problem={pages.problem} />
      {pages.rows.length > 0 && (
        <Table label="Batches" columns={batchColumns} rows={pages.rows} keyOf={({ id }) => id} />
      )}
      {!pages.isLoading && pages.rows.length === 0 && pages.problem === undefined && (
        <Empty>{place.query.size === 0 ? 'Nothing was asked for yet.' : 'No batch is so.'}</Empty>
      )}
      <More pages={pages} />
    </Panel>
  );
}

export function More({
  pages,
}: {
  pages: { hasMore: boolean; isLoading: boolean; more: () => void };
}) {
  return (
    <p class="more">
      {pages.isLoading ? (
        <span role="status">Looking …</span>
      ) : (
        pages.hasMore && (
          <button type="button" onClick={pages.more}>
            More
          </button>
        )
      )}
    </p>
  );
}
