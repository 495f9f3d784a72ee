/** Whether the quota was kept, from the recorded requests. */
import { useState } from 'preact/hooks';
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
  // It looks at each request: of an hour at the quota there are 720,000.
  const [auditsFrom, setAuditsFrom] = useState<string | undefined>();
  const path = `v1/audit${query({ ...span })}`;
  const audit = useAsked<Audit>(auditsFrom === path ? path : undefined);
  const drawn = { fromMs: Date.parse(span.from), toMs: Date.parse(span.to) };
  const quota = me.server.ratePerSecond;
  return (
    <>
      <Panel title="When">
        <SpanForm place={place} span={span} />
      </Panel>
      <Panel title="Was it kept">
        {history.value === undefined && history.problem === undefined && <Empty>Looking …</Empty>}
        {history.value !== undefined && <ByMinute history={history.value} quota={quota} />}
        <Trouble problem={audit.problem} />
        {audit.value !== undefined ? (
          <Kept audit={audit.value} />
        ) : (
          <button
            type="button"
            disabled={auditsFrom === path && audit.problem === undefined}
            onClick={() => setAuditsFrom(path)}
          >
            {auditsFrom === path ? 'Counting …' : 'Count again, request by request'}
          </button>
        )}
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

/** From the minutes as they were counted when they had ended. */
function ByMinute({ history, quota }: { history: History; quota: number }) {
  const busy = history.minutes.filter(({ requests }) => requests > 0);
  if (busy.length === 0) {
    return (
      <Empty>
        Nothing was sent in this time, as far as it is counted: a minute is so half a minute after
        its end.
      </Empty>
    );
  }
  const worst = Math.max(...busy.map(({ worstWindow }) => worstWindow));
  const requests = busy.reduce((sum, minute) => sum + minute.requests, 0);
  const fullest = Math.max(...busy.map((minute) => minute.requests));
  return (
    <>
      <Verdict worst={worst} quota={quota} />
      <p>
        {count(requests)} requests in {count(busy.length)}{' '}
        {busy.length === 1 ? 'minute' : 'minutes'}; the fullest minute used{' '}
        {percent(Math.min(1, fullest / 60 / quota))} of the quota.
      </p>
    </>
  );
}

function Verdict({ worst, quota }: { worst: number; quota: number }) {
  const isKept = worst <= quota;
  return (
    <p class={isKept ? 'big kept' : 'big broken'}>
      {isKept
        ? `Kept: never more than ${count(worst)} requests in a second, of ${count(quota)}.`
        : `BROKEN: ${count(worst)} requests in a second, of ${count(quota)}.`}
    </p>
  );
}

function Kept({ audit }: { audit: Audit }) {
  const { quotaPerSecond, requests, worstWindow, hosts, retries } = audit;
  return (
    <>
      <h3>Request by request</h3>
      {requests === 0 ? (
        <Empty>Nothing was sent in this time.</Empty>
      ) : (
        <Verdict worst={worstWindow} quota={quotaPerSecond} />
      )}
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
