/**
 * The report of a batch as one page to print and to send: `room-reaper report --format html`. It is
 * rendered by the program, with the parts and the charts of the dashboard, and needs no script.
 */
import { render } from 'preact-render-to-string';
import { count, decimal, rooms as roomsWord } from './format';
import { FailureText, Legend, OutcomeBar, OutcomeWord, Panel, Table, Time } from './parts';
import { CodesChart, RequestsChart, WindowsChart } from './time-charts';
import type { History, Outcome, RoomRow, RoomsFailure, StatisticsFrom } from './types';
import { sources } from './words';
import type { Whole } from './api';

export interface ReportData {
  app: string;
  /** Requests a second that are allowed. */
  quota: number;
  /** The span of the charts, in milliseconds since the epoch. */
  span: { fromMs: number; toMs: number };
  history: History;
  /** As in `report --json`. */
  summary: {
    batchId: string;
    name: string | null;
    createdAt: string;
    finishedAt: string | null;
    by: string | null;
    note: string | null;
    part: { outcomes: string[] | null; codes: number[] | null; of: number } | null;
    total: number;
    outcomes: Record<Outcome, number>;
    open: number;
    statistics: Record<string, Whole>;
    statisticsFrom: StatisticsFrom;
    topByViewers: { roomId: string; totalViewers: Whole }[];
    topByGiftCoins: { roomId: string; totalGiftCoins: Whole }[];
    problems: RoomsFailure[];
    worstWindow: number;
    meanRatePerSecond: number | null;
    sha256: string;
  };
  /** Those that are not gone, as far as they are listed. */
  rooms: RoomRow[];
  /** How many more there are. */
  more: number;
}

const statistics = [
  ['totalViewers', 'Viewers'],
  ['totalGiftsSent', 'Gifts'],
  ['totalGiftCoins', 'Gift coins'],
  ['totalUniqueGiftSenders', 'Gift senders'],
  ['totalLikesReceived', 'Likes'],
] as const;

/** @param style - the style sheet of the dashboard. @returns the whole file. */
export function renderReport(data: ReportData, style: string): string {
  return `<!doctype html>\n${render(<Page data={data} style={style} />)}\n`;
}

function Page({ data, style }: { data: ReportData; style: string }) {
  const { summary } = data;
  const name = summary.name ?? summary.batchId;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${name} · room-reaper`}</title>
        <style dangerouslySetInnerHTML={{ __html: style }} />
      </head>
      <body>
        <main>
          <h1>{name}</h1>
          <Facts data={data} />
          <Sums data={data} />
          <Problems data={data} />
          <Sent data={data} />
          <Rooms data={data} />
        </main>
        <footer>
          SHA-256 of the rooms as NDJSON: {summary.sha256} · times of{' '}
          {Intl.DateTimeFormat().resolvedOptions().timeZone}
        </footer>
      </body>
    </html>
  );
}

function Facts({ data: { app, summary } }: { data: ReportData }) {
  const { total, outcomes, open, part } = summary;
  return (
    <Panel title={app}>
      <p class="big">
        {roomsWord(total)}
        {open > 0 ? `, ${count(open)} not ended` : ', all ended'}
      </p>
      {part !== null && (
        <p>
          This is a part of {roomsWord(part.of)}: those that ended{' '}
          {[...(part.outcomes ?? []), ...(part.codes ?? [])].join(', ')}.
        </p>
      )}
      <div class="bar-large">
        <OutcomeBar counts={outcomes} total={total} />
      </div>
      <Legend counts={outcomes} />
      <dl class="facts">
        <dt>Asked for</dt>
        <dd>
          <Time at={summary.createdAt} isDated />
          {summary.by !== null && ` by ${summary.by}`}
        </dd>
        {summary.note !== null && (
          <>
            <dt>Why</dt>
            <dd>{summary.note}</dd>
          </>
        )}
        <dt>Ended</dt>
        <dd>
          {summary.finishedAt === null ? 'not yet' : <Time at={summary.finishedAt} isDated />}
        </dd>
        <dt>Id</dt>
        <dd>{summary.batchId}</dd>
      </dl>
    </Panel>
  );
}

function Sums({ data: { summary } }: { data: ReportData }) {
  const from = sources(summary.statisticsFrom);
  return (
    <Panel title="Final statistics of its rooms">
      <dl class="figures sums">
        {statistics.map(([key, name]) => (
          <div key={key} class="figure">
            <dt>{name}</dt>
            <dd>
              <span class="figure-value">{count(summary.statistics[key] ?? 0)}</span>
            </dd>
          </div>
        ))}
      </dl>
      {from !== undefined && <p class="hint">Rooms with statistics: {from}</p>}
      <div class="pair">
        <Top
          name="Most viewers"
          rows={summary.topByViewers.map(({ roomId, totalViewers }) => [roomId, totalViewers])}
        />
        <Top
          name="Most gift coins"
          rows={summary.topByGiftCoins.map(({ roomId, totalGiftCoins }) => [
            roomId,
            totalGiftCoins,
          ])}
        />
      </div>
    </Panel>
  );
}

function Top({ name, rows }: { name: string; rows: [roomId: string, value: Whole][] }) {
  if (rows.length === 0) return null;
  return (
    <Table
      label={name}
      rows={rows}
      keyOf={([roomId]) => roomId}
      columns={[
        { name: 'Room', cell: ([roomId]) => roomId },
        { name, isNumber: true, cell: ([, value]) => count(value) },
      ]}
    />
  );
}

function Problems({ data: { summary } }: { data: ReportData }) {
  if (summary.problems.length === 0) return null;
  return (
    <Panel title="What went wrong">
      <ul class="failures">
        {summary.problems.map((problem) => (
          <li key={`${problem.outcome} ${problem.errorCode}`}>
            <FailureText failure={problem} />
            <p class="hint">For example {problem.example}</p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Sent({ data: { history, span, quota, summary } }: { data: ReportData }) {
  const { meanRatePerSecond: mean, worstWindow } = summary;
  if (history.minutes.length === 0) return null;
  return (
    <Panel title="What was sent meanwhile, for this batch and others">
      <p>
        {mean === null ? '' : `${decimal(mean)} requests a second in the mean, and `}never more than{' '}
        {count(worstWindow)} in any second, of {count(quota)}.
      </p>
      <div class="pair">
        <RequestsChart history={history} span={span} quota={quota} />
        <WindowsChart history={history} span={span} quota={quota} />
      </div>
      <CodesChart history={history} span={span} />
    </Panel>
  );
}

function Rooms({ data: { rooms, more } }: { data: ReportData }) {
  if (rooms.length === 0) return null;
  return (
    <Panel title="Rooms that are not gone, or without their statistics">
      <Table
        label="Rooms"
        rows={rooms}
        keyOf={({ roomId }) => roomId}
        columns={[
          { name: 'Room', cell: ({ roomId }) => roomId },
          {
            name: 'Outcome',
            cell: ({ outcome, state }) =>
              outcome === null ? state : <OutcomeWord outcome={outcome} />,
          },
          {
            name: 'Why',
            cell: ({ errorCode, errorInfo }) => [errorCode, errorInfo].filter(Boolean).join(' '),
          },
          { name: 'Requests', isNumber: true, cell: ({ attempts }) => count(attempts) },
          { name: 'RequestId', cell: ({ requestId }) => requestId ?? '' },
          {
            name: 'Ended',
            cell: ({ finishedAt }) => (finishedAt === null ? '' : <Time at={finishedAt} isDated />),
          },
        ]}
      />
      {more > 0 && <p>And {roomsWord(more)} more: room-reaper report --format csv has all.</p>}
    </Panel>
  );
}
