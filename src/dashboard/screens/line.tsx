/** Home: what is happening, is it right, when is it done, and what is to be done. */
import { useState } from 'preact/hooks';
import { send } from '../api';
import { useAsked, useDoing, type Asked } from '../asking';
import { count, decimal, duration } from '../format';
import {
  Dialog,
  Empty,
  Panel,
  ReasonForm,
  sentence,
  Table,
  Time,
  Trouble,
  useStill,
} from '../parts';
import { linkTo } from '../routing';
import type { LineState } from '../state';
import { RequestsChart, WindowsChart } from '../time-charts';
import type { Batch, Finding, History, Lane, Me, Status } from '../types';
import { asHere, laneWords, workerWords } from '../words';
import { batchColumns } from './batches';

const historyEveryMs = 15_000;
const doctorEveryMs = 60_000;
const shownMs = 30 * 60_000;

export function LineScreen(props: { me: Me; status: Asked<Status>; state: LineState }) {
  const { me, status, state } = props;
  const history = useAsked<History>('v1/history', historyEveryMs);
  const { value } = status;
  return (
    <>
      <StatePanel {...props} />
      {value !== undefined && <Figures status={value} server={me.server} />}
      <Charts
        history={history.value}
        quota={me.server.ratePerSecond}
        now={state.kind === 'unknown' ? undefined : value?.sentPerSecond}
      />
      {value?.reads?.map(({ host, command, stopped, outage }) => (
        <Panel key={`${host} ${command}`} title={`${command} does not run`}>
          <p>
            {sentence((stopped ?? outage)?.reason ?? '')} Rooms that need it wait, the others go on.{' '}
            {stopped?.remedy && sentence(asHere(stopped.remedy))}
          </p>
        </Panel>
      ))}
      {value?.queue && <Waiting queue={value.queue} />}
      {value?.batches && <Newest batches={value.batches} />}
      {value?.workers && <Workers workers={value.workers} />}
      {value?.notifications && (
        <Panel title="Notifications">
          <p>
            {count(value.notifications.waiting)} wait to be delivered,{' '}
            {count(value.notifications.givenUp)} were given up: {value.notifications.trouble}.{' '}
            {sentence(value.notifications.remedy)}
          </p>
        </Panel>
      )}
      {me.role === 'operator' && <Doctor />}
    </>
  );
}

function StatePanel({ me, status, state }: { me: Me; status: Asked<Status>; state: LineState }) {
  const [asks, setAsks] = useState<'pause' | 'resume' | undefined>();
  const doing = useDoing();
  const isPaused = status.value?.queue?.paused === true;
  const isHeld = isPaused || state.kind === 'stopped';
  async function act(path: string, reason: string): Promise<void> {
    const isDone = await doing.run(async () => {
      await send(path, { reason });
    });
    if (!isDone) return;
    setAsks(undefined);
    status.again();
  }
  const { halt, host } = state;
  return (
    <section class={`state state-${state.kind}`} aria-live="polite">
      <div>
        <p class="state-title">{state.title}</p>
        <p class="state-cause">{state.cause !== undefined && sentence(state.cause)}</p>
        {state.remedy !== undefined && <p class="state-remedy">{sentence(asHere(state.remedy))}</p>}
        {halt !== undefined && (
          <p class="state-facts">
            Since <Time at={halt.since} />
            {halt.by != null && <>, said by {halt.by}</>}
            {halt.probeAt != null && (
              <>
                ; tried again at <Time at={halt.probeAt} />
              </>
            )}
            {host !== undefined && <>; {host}</>}
          </p>
        )}
        {isPaused && status.value?.queue?.pause?.since !== undefined && (
          <p class="state-facts">
            Since <Time at={status.value.queue.pause.since} />
          </p>
        )}
      </div>
      {me.role === 'operator' && status.value !== undefined && (
        <button type="button" onClick={() => setAsks(isHeld ? 'resume' : 'pause')}>
          {isHeld ? 'Resume …' : 'Pause …'}
        </button>
      )}
      {asks !== undefined && (
        <Dialog
          title={asks === 'pause' ? 'Pause the queue' : 'Resume'}
          onClose={() => {
            setAsks(undefined);
            doing.forget();
          }}
        >
          <p>
            {asks === 'pause'
              ? 'No worker takes up another room until somebody resumes. What is under way ends.'
              : 'Ends a pause, and starts a stopped line again. Mend the cause first: else it stops again.'}
          </p>
          <ReasonForm
            action={asks === 'pause' ? 'Pause' : 'Resume'}
            isBusy={doing.isBusy}
            onCancel={() => setAsks(undefined)}
            onReason={(reason) => void act(`v1/${asks}`, reason)}
          >
            <Trouble problem={doing.problem} />
          </ReasonForm>
        </Dialog>
      )}
    </section>
  );
}

function Figure({ name, value, more }: { name: string; value: string; more?: string | undefined }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>
        <span class="figure-value">{value}</span>
        <span class="figure-more">{more ?? ''}</span>
      </dd>
    </div>
  );
}

function Figures({ status, server }: { status: Status; server: Me['server'] }) {
  const { queue, etaSeconds, sentPerSecond, lines } = status;
  const { host } = new URL(server.endpoint);
  const allowed = lines?.find((line) => line.host === host)?.ratePerSecond;
  return (
    <dl class="figures">
      <Figure
        name="Requests a second"
        value={sentPerSecond === null ? '–' : decimal(sentPerSecond)}
        more={
          allowed === undefined
            ? undefined
            : `of ${decimal(allowed)} allowed, quota ${count(server.ratePerSecond)}`
        }
      />
      <Figure
        name="Waiting"
        value={queue === null ? '–' : count(queue.waiting)}
        more={queue === null ? undefined : `${count(queue.active)} in hand`}
      />
      <Figure
        name="Later"
        value={queue === null ? '–' : count(queue.delayed)}
        more="between two tries, or due later"
      />
      <Figure
        name="Done"
        value={
          etaSeconds === null || queue === null || queue.waiting + queue.active === 0
            ? '–'
            : duration(etaSeconds)
        }
        more={
          etaSeconds === null || etaSeconds === 0
            ? undefined
            : `at ${new Date(Date.now() + etaSeconds * 1_000).toLocaleTimeString('en-GB')}`
        }
      />
    </dl>
  );
}

function Charts(props: {
  history: History | undefined;
  quota: number;
  now: number | null | undefined;
}) {
  const { history, quota, now } = props;
  const toMs = Date.now();
  const span = { fromMs: toMs - shownMs, toMs };
  const drawn = { history: history ?? { countedUntil: null, minutes: [], halts: [] }, span, quota };
  const inSpan = {
    ...drawn.history,
    minutes: drawn.history.minutes.filter(({ at }) => Date.parse(at) >= span.fromMs),
  };
  return (
    <div class="pair">
      <Panel title="Requests a second">
        <RequestsChart {...drawn} history={inSpan} {...(now === undefined ? {} : { now })} />
      </Panel>
      <Panel title="Fullest second of each minute">
        <WindowsChart {...drawn} history={inSpan} />
      </Panel>
    </div>
  );
}

function Waiting({ queue }: { queue: NonNullable<Status['queue']> }) {
  const lanes = Object.entries(queue.lanes) as [Lane, number][];
  const most = Math.max(1, ...lanes.map(([, waiting]) => waiting));
  return (
    <Panel
      title="What waits, in the order in which it goes"
      aside={
        queue.oldestAt !== undefined && (
          <span class="hint">
            oldest asked for at <Time at={queue.oldestAt} />
          </span>
        )
      }
    >
      <table class="lanes" aria-label="Rooms that wait, by lane">
        <tbody>
          {lanes.map(([lane, waiting]) => (
            <tr key={lane}>
              <th scope="row">{laneWords[lane]}</th>
              <td class="number">{count(waiting)}</td>
              <td class="lane-bar">
                <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                  <rect class="lane-fill" width={(waiting / most) * 100} height="6" />
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Newest({ batches }: { batches: readonly Batch[] }) {
  const still = useStill(batches.slice(0, 8), ({ id }) => id);
  return (
    <Panel
      title="Newest batches"
      aside={
        <span class="hint">
          {still.waiting > 0 ? `${still.waiting} new, shown when the pointer leaves · ` : ''}
          <a href={linkTo('batches')}>all batches</a>
        </span>
      }
    >
      {batches.length === 0 ? (
        <Empty>Nothing was asked for yet.</Empty>
      ) : (
        <div {...still.region}>
          <Table
            label="Newest batches"
            columns={batchColumns}
            rows={still.rows}
            keyOf={({ id }) => id}
          />
        </div>
      )}
    </Panel>
  );
}

function Workers({ workers }: { workers: NonNullable<Status['workers']> }) {
  return (
    <Panel title="Workers">
      {workers.length === 0 ? (
        <Empty>No worker was seen lately. Start one: room-reaper worker</Empty>
      ) : (
        <Table
          label="Workers"
          rows={workers}
          keyOf={({ host, pid }) => `${host}:${pid}`}
          columns={[
            { name: 'Worker', cell: ({ host, pid }) => `${host}:${pid}` },
            {
              name: 'State',
              cell: (worker) => (
                <span class={`word word-${worker.alive ? worker.state : 'silent'}`}>
                  {workerWords(worker)}
                </span>
              ),
            },
            { name: 'In hand', isNumber: true, cell: ({ inHand }) => count(inHand) },
            { name: 'Key', cell: ({ keyFingerprint }) => keyFingerprint ?? '–' },
            { name: 'Version', cell: ({ version }) => version },
            { name: 'Started', cell: ({ startedAt }) => <Time at={startedAt} /> },
            { name: 'Seen', cell: ({ seenAt }) => <Time at={seenAt} /> },
          ]}
        />
      )}
    </Panel>
  );
}

function Doctor() {
  const { value, problem } = useAsked<{ findings: Finding[] }>('v1/doctor', doctorEveryMs);
  const found = value?.findings.filter(({ level }) => level !== 'ok') ?? [];
  return (
    <Panel title="Doctor">
      {problem !== undefined && <Trouble problem={problem} />}
      {value === undefined && problem === undefined && <Empty>Everything is being checked …</Empty>}
      {value !== undefined && found.length === 0 && (
        <Empty>All {count(value.findings.length)} checks are well.</Empty>
      )}
      {found.length > 0 && (
        <ul class="findings">
          {found.map(({ check, level, text, remedy }, index) => (
            <li key={index} class={`finding-${level}`}>
              <b>
                {level}: {check}
              </b>{' '}
              {sentence(asHere(text))} {remedy !== undefined && sentence(asHere(remedy))}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
