/** What kept rooms from being destroyed, by code: what it means and what to do. */
import type { Asked } from '../asking';
import { count } from '../format';
import { Empty, FailureText, Panel, Trouble } from '../parts';
import { linkTo } from '../routing';
import type { Failure } from '../types';

export function Failures(props: {
  title: string;
  failures: Asked<{ errors: Failure[] }>;
  /** Rooms are known to have failed by now: where none is told yet, the next look will. */
  areComing?: boolean;
  /** undefined: who looks may not. */
  onReplay?: ((failure: Failure) => void) | undefined;
}) {
  const { value, problem } = props.failures;
  const { areComing = false, onReplay } = props;
  return (
    <Panel title={props.title}>
      <Trouble problem={problem} />
      {value === undefined && problem === undefined && <Empty>Looking …</Empty>}
      {value?.errors.length === 0 && (
        <Empty>{areComing ? 'Looking …' : 'Nothing: every room that ended is gone.'}</Empty>
      )}
      <ul class="failures">
        {value?.errors.map((failure) => (
          <li key={`${failure.outcome} ${failure.errorCode} ${failure.pending}`}>
            <FailureText
              failure={failure}
              marks={
                <>
                  {failure.pending && <span class="word word-running">asked for again</span>}
                  {failure.wouldFailAgain && (
                    <span class="word word-stopped">would fail again</span>
                  )}
                </>
              }
            />
            <p class="hint">
              For example{' '}
              <a href={linkTo('room', undefined, { id: failure.example })}>{failure.example}</a>
            </p>
            {onReplay !== undefined &&
              !failure.pending &&
              !['destroyed_statistics_lost', 'recreated'].includes(failure.outcome) && (
                <button type="button" onClick={() => onReplay(failure)}>
                  Replay {failure.rooms === 1 ? 'this one' : `these ${count(failure.rooms)}`} …
                </button>
              )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
