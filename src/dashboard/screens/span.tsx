/** Chooses a time: the last hours, or from and to. It stands in the URL, in UTC. */
import { useMemo } from 'preact/hooks';
import { fromLocalInput, toLocalInput } from '../format';
import { setQuery, type Place } from '../routing';

const lasts = [
  ['1', 'last hour'],
  ['6', 'last 6 hours'],
  ['24', 'last day'],
  ['48', 'last 2 days'],
] as const;

const hourMs = 3_600_000;

export interface ChosenSpan {
  from: string;
  to: string;
}

/** Of a link; undefined where it is none, as of one that was cut off. Browsers read more than that. */
function timeOf(text: string | null): string | undefined {
  const at = new Date(/^[\d-]+T[\d:.]+(Z|[+-]\d\d:\d\d)$/.exec(text ?? '')?.[0] ?? '');
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** As it stands in a link; undefined: it has none, or one that cannot be read. */
export function ownSpan({ query }: Pick<Place, 'query'>): ChosenSpan | undefined {
  const [from, to] = [timeOf(query.get('from')), timeOf(query.get('to'))];
  return from === undefined || to === undefined ? undefined : { from, to };
}

/** Absolute as soon as it is chosen, so that all that is asked means the same. */
export function useSpan(place: Place): ChosenSpan {
  const last = place.query.get('last') ?? '1';
  const own = ownSpan(place);
  return useMemo(() => {
    if (own !== undefined) return own;
    const hours = Number(last);
    const now = Date.now();
    const length = (Number.isFinite(hours) && hours > 0 ? Math.min(hours, 48) : 1) * hourMs;
    return { from: new Date(now - length).toISOString(), to: new Date(now).toISOString() };
  }, [last, own?.from, own?.to]);
}

export function SpanForm({ place, span }: { place: Place; span: ChosenSpan }) {
  const isOwn = ownSpan(place) !== undefined;
  const set = (values: Partial<ChosenSpan>) =>
    setQuery(place, { last: undefined, ...span, ...values });
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <label class="field">
        Time
        <select
          value={isOwn ? 'own' : (place.query.get('last') ?? '1')}
          onChange={(event) => {
            const value = event.currentTarget.value;
            if (value === 'own') set({});
            else setQuery(place, { last: value, from: undefined, to: undefined });
          }}
        >
          {lasts.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
          <option value="own">from … to …</option>
        </select>
      </label>
      {isOwn &&
        (['from', 'to'] as const).map((name) => (
          <label key={name} class="field">
            {name === 'from' ? 'From' : 'To'} (local time)
            <input
              type="datetime-local"
              value={toLocalInput(new Date(span[name]))}
              onChange={(event) => {
                const value = fromLocalInput(event.currentTarget.value);
                if (value !== undefined) set({ [name]: value });
              }}
            />
          </label>
        ))}
    </form>
  );
}
