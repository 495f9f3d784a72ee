/** Who did what, when, by which way, why, and how it ended. */
import { usePages } from '../asking';
import { count } from '../format';
import { Empty, Panel, Table, Time, Trouble } from '../parts';
import { linkTo } from '../routing';
import type { Action } from '../types';
import { More } from './batches';

function told(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' ? count(value) : String(value);
}

export function Actions() {
  const pages = usePages<Action>('v1/actions?limit=100', 'actions');
  return (
    <Panel title="Who did what, newest first">
      <Trouble problem={pages.problem} />
      {pages.rows.length > 0 && (
        <Table
          label="Actions"
          rows={pages.rows}
          keyOf={({ id }) => id}
          columns={[
            { name: 'When', cell: ({ at }) => <Time at={at} /> },
            {
              name: 'Who',
              cell: ({ who, role }) => (role === undefined ? who : `${who} (${role})`),
            },
            { name: 'By', cell: ({ way }) => way },
            { name: 'What', cell: ({ what }) => what },
            {
              name: 'On what',
              cell: ({ what, target }) =>
                target === undefined ? (
                  ''
                ) : /^(batch\.|replay)/.test(what) ? (
                  <a href={linkTo('batches', target)}>{target}</a>
                ) : (
                  target
                ),
            },
            { name: 'Why', cell: ({ reason }) => reason ?? '' },
            {
              name: 'How much',
              cell: ({ counts }) =>
                Object.entries(counts ?? {})
                  .map(([name, value]) => `${name} ${told(value)}`)
                  .join(', '),
            },
            { name: 'Ended', cell: ({ outcome }) => outcome ?? 'not known' },
          ]}
        />
      )}
      {!pages.isLoading && pages.rows.length === 0 && pages.problem === undefined && (
        <Empty>Nothing was done yet.</Empty>
      )}
      <More pages={pages} />
    </Panel>
  );
}
