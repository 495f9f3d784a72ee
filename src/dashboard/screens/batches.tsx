/** The batches that were asked for, newest first. The filter stands in the URL. */
import { useAsked, usePages } from '../asking';
import { query } from '../api';
import { count, decimal, duration, percent } from '../format';
import { Empty, OutcomeBar, Panel, Table, Time, Trouble, type Column } from '../parts';
import { linkTo, setQuery, type Place } from '../routing';
import { outcomes, type Batch, type Me } from '../types';
import { batchWords, outcomeWords } from '../words';

export function batchName({ name, id }: Pick<Batch, 'name' | 'id'>): string {
  return name ?? id;
}

/** How far it is. What was cancelled has ended, also where not all of it was on the queue. */
export function progressPart({ total, finished, finishedAt }: Batch): string {
  if (total === 0) return '–';
  return finishedAt !== undefined && finished < total ? 'ended' : percent(finished / total);
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
        <span class="progress-part">{progressPart(batch)}</span>
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

const newestEveryMs = 2_000;

export function Batches({ place }: { me: Me; place: Place }) {
  const read = (name: string) => place.query.get(name) ?? undefined;
  const wish = { name: read('name'), by: read('by'), unfinished: read('unfinished') };
  const first = `v1/batches${query({ ...wish, limit: 50 })}`;
  const pages = usePages<Batch>(first, 'batches');
  // The numbers of the newest stay true; a new batch moves no row before somebody wants it.
  const newest = useAsked<{ batches: Batch[] }>(first, newestEveryMs).value?.batches ?? [];
  const now = new Map(newest.map((batch) => [batch.id, batch]));
  const rows = pages.rows.map((batch) => now.get(batch.id) ?? batch);
  const known = new Set(pages.rows.map(({ id }) => id));
  const fresh = pages.isLoading ? 0 : newest.filter(({ id }) => !known.has(id)).length;
  return (
    <Panel
      title="Asked for, newest first"
      aside={
        <button type="button" disabled={fresh === 0} onClick={pages.again}>
          {fresh === 0 ? 'Nothing new' : `Show ${fresh} new`}
        </button>
      }
    >
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          Name
          <input
            type="search"
            value={wish.name ?? ''}
            onChange={(event) => setQuery(place, { name: event.currentTarget.value || undefined })}
          />
        </label>
        <label class="field">
          By
          <input
            type="search"
            value={wish.by ?? ''}
            onChange={(event) => setQuery(place, { by: event.currentTarget.value || undefined })}
          />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={wish.unfinished === 'true'}
            onChange={(event) =>
              setQuery(place, { unfinished: event.currentTarget.checked ? 'true' : undefined })
            }
          />
          not ended
        </label>
      </form>
      <Trouble problem={pages.problem} />
      {pages.rows.length > 0 && (
        <Table label="Batches" columns={batchColumns} rows={rows} keyOf={({ id }) => id} />
      )}
      {!pages.isLoading && pages.rows.length === 0 && pages.problem === undefined && (
        <Empty>
          {Object.values(wish).every((each) => each === undefined)
            ? 'Nothing was asked for yet.'
            : 'No batch is so.'}
        </Empty>
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
