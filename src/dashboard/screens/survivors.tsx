/** Which rooms of a batch live on: the API's list of live rooms is read when somebody wants to know. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { askLines, query } from '../api';
import { useDoing } from '../asking';
import { count, rooms as roomsWord } from '../format';
import { Empty, Panel, sentence, Table, Time, Trouble } from '../parts';
import { linkTo } from '../routing';
import type { Batch, ListTold, Survivor } from '../types';

/** Most rooms that a page shows. */
const mostShown = 200;

interface Found extends ListTold {
  rooms: Survivor[];
  /** Those that are not shown too. */
  total: number;
  /** By whoever looks. */
  isStopped: boolean;
}

export function Survivors({ batch }: { batch: Batch }) {
  const [found, setFound] = useState<Found | undefined>();
  const doing = useDoing();
  const reading = useRef<AbortController | undefined>(undefined);
  const stop = () => reading.current?.abort();
  useEffect(() => stop, []);

  async function look(signal: AbortSignal): Promise<void> {
    let known: Found = { rooms: [], total: 0, isStopped: false };
    setFound(known);
    const path = `v1/live-rooms${query({ survivors: batch.id, progress: 'true' })}`;
    try {
      for await (const lines of askLines<Survivor | ListTold>(path, signal)) {
        const more = lines.filter((line) => 'roomId' in line);
        const told = lines.filter((line) => !('roomId' in line));
        known = Object.assign({}, known, ...told, {
          rooms: [...known.rooms, ...more].slice(0, mostShown),
          total: known.total + more.length,
        }) as Found;
        setFound(known);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      setFound({ ...known, isStopped: true });
    }
  }

  function begin(): void {
    const controller = new AbortController();
    reading.current = controller;
    void doing.run(() => look(controller.signal));
  }

  return (
    <Panel
      title="Rooms that live on"
      aside={
        doing.isBusy ? (
          <button type="button" onClick={stop}>
            Stop looking
          </button>
        ) : (
          <button type="button" onClick={begin}>
            Look which rooms live on
          </button>
        )
      }
    >
      <p class="hint">
        The API lists the live rooms, two hundred a second and each at least twice. Rooms that are
        not public are not listed.
      </p>
      <Trouble problem={doing.problem} />
      {found !== undefined && <p role="status">{sentence(describe(found, doing.isBusy))}</p>}
      {found !== undefined && found.rooms.length > 0 && (
        <Table
          label="Rooms that live on"
          rows={found.rooms}
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
              name: 'Created',
              cell: ({ createdAt }) => createdAt !== undefined && <Time at={createdAt} />,
            },
            { name: 'Viewers', isNumber: true, cell: ({ views }) => views && count(views) },
            { name: 'Owner', cell: ({ owner }) => owner },
            { name: 'What is known', cell: ({ known }) => known },
          ]}
        />
      )}
      {found !== undefined && found.total > found.rooms.length && (
        <Empty>
          {`${roomsWord(found.total - found.rooms.length)} more; room-reaper rooms --survivors ${batch.id} lists all.`}
        </Empty>
      )}
    </Panel>
  );
}

function describe({ total, progress, end, isStopped }: Found, isBusy: boolean): string {
  const seen = end?.seen ?? progress?.seen ?? 0;
  const of = `${total === 0 ? 'none' : count(total)} of ${roomsWord(seen)}`;
  if (isBusy) {
    const again = (progress?.pass ?? 1) > 1 ? ', reading again because the list moves' : '';
    return `looking: ${of} listed so far ${total === 1 ? 'is' : 'are'} of this batch${again}`;
  }
  const what = `${of} that ${seen === 1 ? 'is' : 'are'} listed ${total <= 1 ? 'is' : 'are'} of this batch`;
  if (isStopped || end === undefined) return `${what}; it was not read to its end`;
  return end.movedOn ? `${what}; the list still moved, so there may be more` : what;
}
