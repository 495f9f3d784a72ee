/** Whether the quota was kept, from the recorded requests. */
import { query } from '../api';
import { useAsked } from '../asking';
import { count, decimal, percent } from '../format';
import { Empty, Panel, Table, Time, Trouble } from '../parts';
import type { Place } from '../routing';
import { RequestsChart, WindowsChart, WindowsHistogram } from '../time-charts';
import type { Audit, History, Me } from '../types';
import { SpanForm, useSpan } from './span';

export function Quota({ me, place }: { me: Me; place: Place }) {
  const span = useSpan(place);
  const history = useAsked<History>(`v1/history${query({ ...span })}`);
  const audit = useAsked<Audit>(`v1/audit${query({ ...span })}`);
  const drawn = { fromMs: Date.parse(span.from), toMs: Date.parse(span.to) };
  const quota = me.server.ratePerSecond;
  return (
    <>
      <Panel title="When">
        <SpanForm place={place} span={span} />
      </Panel>
      <Panel title="Was it kept">
        <Trouble problem={audit.problem} />
        {audit.value === undefined && audit.problem === undefined && <Empty>Looking …</Empty>}
        {audit.value !== undefined && <Kept audit={audit.value} />}
      </Panel>
      <Trouble problem={history.problem} />
      {history.value !== undefined && (
        <>
          <div class="pair">
            <Panel title="Fullest second of each minute">
              <WindowsChart history={history.value} span={drawn} quota={quota} />
            </Panel>
            <Panel title="Minutes by their fullest second">
              <WindowsHistogram history={history.value} quota={quota} />
            </Panel>
          </div>
          <Panel title="Requests a second">
            <RequestsChart history={history.value} span={drawn} quota={quota} />
          </Panel>
        </>
      )}
    </>
  );
}

function Kept({ audit }: { audit: Audit }) {
  const { kept, quotaPerSecond, requests, worstWindow, hosts, retries } = audit;
  return (
    <>
      <p class={kept ? 'big kept' : 'big broken'}>
        {requests === 0
          ? 'Nothing was sent in this time.'
          : kept
            ? `Kept: never more than ${count(worstWindow)} requests in a second, of ${count(quotaPerSecond)}.`
            : `BROKEN: ${count(worstWindow)} requests in a second, of ${count(quotaPerSecond)}.`}
      </p>
      {hosts.length > 0 && (
        <Table
          label="By host"
          rows={hosts}
          keyOf={({ host }) => host}
          columns={[
            { name: 'Host', cell: ({ host }) => host },
            { name: 'Requests', isNumber: true, cell: (host) => count(host.requests) },
            {
              name: 'Mean',
              isNumber: true,
              cell: ({ meanRatePerSecond: mean }) => (mean === null ? '–' : `${decimal(mean)}/s`),
            },
            {
              name: 'Of the quota',
              isNumber: true,
              cell: ({ quotaUsed }) => (quotaUsed === null ? '–' : percent(quotaUsed)),
            },
            {
              name: 'Fullest second',
              cell: ({ worstWindow: window }) =>
                window === undefined ? (
                  '–'
                ) : (
                  <>
                    {count(window.requests)} from <Time at={window.from} />
                  </>
                ),
            },
            {
              name: 'Said over quota',
              isNumber: true,
              cell: ({ overQuota }) => count(overQuota),
            },
          ]}
        />
      )}
      {retries !== undefined && retries.rooms > 0 && (
        <p class="hint">
          {retries.mean.toFixed(3)} retries a room in the mean, {count(retries.max)} at most.
        </p>
      )}
    </>
  );
}
