/** What went wrong over all batches, by code and time. */
import { useState } from 'preact/hooks';
import { query } from '../api';
import { useAsked } from '../asking';
import { Panel, Trouble } from '../parts';
import type { Place } from '../routing';
import { CodesChart } from '../time-charts';
import type { Failure, History, Me } from '../types';
import { Failures } from './failures';
import { choiceOf, ReplayDialog, type ReplayChoice } from './replay';
import { SpanForm, useSpan } from './span';

export function Errors({ me, place }: { me: Me; place: Place }) {
  const span = useSpan(place);
  const history = useAsked<History>(`v1/history${query({ ...span })}`);
  const failures = useAsked<{ errors: Failure[] }>(`v1/errors${query({ ...span })}`);
  const [replaying, setReplaying] = useState<ReplayChoice | undefined>();
  const drawn = { fromMs: Date.parse(span.from), toMs: Date.parse(span.to) };
  return (
    <>
      <Panel title="When">
        <SpanForm place={place} span={span} />
      </Panel>
      <Panel title="Answers that were errors, retries included">
        <Trouble problem={history.problem} />
        {history.value !== undefined && <CodesChart history={history.value} span={drawn} />}
      </Panel>
      <Failures
        title="Rooms that are not gone since"
        failures={failures}
        onReplay={
          me.role === 'operator'
            ? (failure) => setReplaying({ ...span, ...choiceOf(failure) })
            : undefined
        }
      />
      {replaying !== undefined && (
        <ReplayDialog
          choice={replaying}
          onClose={() => {
            setReplaying(undefined);
            failures.again();
          }}
        />
      )}
    </>
  );
}
