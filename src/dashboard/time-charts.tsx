/** What was sent, minute by minute: the charts of the line, of errors and of the quota. */
import { BarChart, placeIn, timeTicks, type Bar, type Shade, type Span } from './charts';
import { count, decimal, duration, localTime } from './format';
import type { History, Minute } from './types';
import { noCode } from './words';

const minuteMs = 60_000;

/** Within so long after its end a minute is counted, in milliseconds; later than that nothing is known. */
const tailMs = 2 * minuteMs;

function barOf(span: Span, minute: Minute, value: number, label: string, kind?: string): Bar {
  const atMs = Date.parse(minute.at);
  return {
    from: placeIn(span, atMs),
    to: placeIn(span, atMs + minuteMs),
    value,
    label: `${localTime(new Date(atMs), undefined, false)}: ${label}`,
    ...(kind === undefined ? {} : { class: kind }),
  };
}

const shadeWords = {
  stopped: 'stopped',
  outage: 'the API did not work',
  paused: 'paused',
  braked: 'braked',
} as const;

/** Times in which nothing or less could be sent. */
function shadesOf({ minutes, halts: told }: History, span: Span): Shade[] {
  const brakes = minutes
    .filter(({ verdicts }) => (verdicts['over_quota'] ?? 0) > 0)
    .map((minute) => ({
      from: placeIn(span, Date.parse(minute.at)),
      to: placeIn(span, Date.parse(minute.at) + minuteMs),
      class: 'shade-braked',
      label: `${shadeWords.braked}: ${count(minute.verdicts['over_quota'] ?? 0)} answers said over quota`,
    }));
  const halts = told.map(({ state, from, to, reason }) => {
    const fromMs = Date.parse(from);
    const toMs = to === null ? span.toMs : Date.parse(to);
    return {
      from: placeIn(span, fromMs),
      to: placeIn(span, toMs),
      class: `shade-${state}`,
      label: `${shadeWords[state]} for ${duration((toMs - fromMs) / 1_000)}${reason ? `: ${reason}` : ''}`,
    };
  });
  return [...brakes, ...halts];
}

function ShadeLegend({ shades }: { shades: readonly Shade[] }) {
  const kinds = Object.entries(shadeWords).filter(([kind]) =>
    shades.some((shade) => shade.class === `shade-${kind}`),
  );
  return (
    <>
      {kinds.map(([kind, words]) => (
        <span key={kind}>
          <span class={`swatch swatch-${kind}`} aria-hidden="true" /> {words}
        </span>
      ))}
      {shades.length > 0 && (
        <details class="inline">
          <summary>when</summary>
          <ul class="lines">
            {shades.map(({ label }, index) => (
              <li key={index}>{label}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

interface Drawn {
  history: History;
  span: Span;
  /** Requests a second that are allowed. */
  quota: number;
}

const minuteOf = ({ at }: Minute) => localTime(new Date(at), undefined, false);

export function RequestsChart({ history, span, quota, now }: Drawn & { now?: number | null }) {
  const shades = shadesOf(history, span);
  const bars = history.minutes.map((minute) =>
    barOf(span, minute, minute.requests / 60, `${decimal(minute.requests / 60)} requests/s`),
  );
  // What is not counted yet: the last ten seconds stand for it.
  if (now !== undefined && now !== null && history.countedUntil !== null) {
    const from = placeIn(span, Math.max(Date.parse(history.countedUntil), span.toMs - tailMs));
    bars.push({
      ...{ from, to: 1, value: now, class: 'column-now' },
      label: `now: ${decimal(now)} requests/s, over the last ten seconds`,
    });
  }
  return (
    <BarChart
      title="Requests a second"
      bars={bars}
      shades={shades}
      limit={{ value: quota, label: `quota ${count(quota)}/s` }}
      ticks={timeTicks(span)}
      legend={<ShadeLegend shades={shades} />}
      table={{
        head: ['minute', 'requests', 'a second'],
        rows: history.minutes.map((minute) => [
          ...[minuteOf(minute), minute.requests],
          decimal(minute.requests / 60),
        ]),
      }}
    />
  );
}

export function WindowsChart({ history, span, quota }: Drawn) {
  return (
    <BarChart
      title="Fullest second of each minute"
      bars={history.minutes.map((minute) =>
        barOf(
          ...([span, minute, minute.worstWindow] as const),
          `${count(minute.worstWindow)} requests in its fullest second`,
          minute.worstWindow > quota ? 'column-over' : 'column-window',
        ),
      )}
      limit={{ value: quota, label: `never above ${count(quota)}` }}
      ticks={timeTicks(span)}
      legend=""
      table={{
        head: ['minute', 'requests in its fullest second'],
        rows: history.minutes.map((minute) => [minuteOf(minute), minute.worstWindow]),
      }}
    />
  );
}

/** Codes that are neither success nor told apart any further. */
const mostCodes = 6;

export function CodesChart({ history, span }: Omit<Drawn, 'quota'>) {
  const sums = new Map<string, number>();
  for (const { codes } of history.minutes) {
    for (const [code, n] of Object.entries(codes)) sums.set(code, (sums.get(code) ?? 0) + n);
  }
  const ranked = [...sums].sort(([, a], [, b]) => b - a).map(([code]) => code);
  const named = ranked.slice(0, mostCodes);
  const words = (code: string) => (code === 'none' ? noCode : code);
  const kinds = ranked.length > mostCodes ? [...named, 'others'] : named;
  const valueOf = ({ codes }: Minute, kind: string) =>
    kind === 'others'
      ? Object.entries(codes).reduce((sum, [code, n]) => sum + (named.includes(code) ? 0 : n), 0)
      : (codes[kind] ?? 0);
  if (kinds.length === 0) return <p class="empty">No answer in this time was an error.</p>;
  return (
    <BarChart
      title="Answers that were errors, by code"
      bars={history.minutes.flatMap((minute) =>
        kinds.map((kind, index) => {
          const value = valueOf(minute, kind);
          return barOf(span, minute, value, `${count(value)} × ${words(kind)}`, `series-${index}`);
        }),
      )}
      ticks={timeTicks(span)}
      legend={kinds.map((kind, index) => (
        <span key={kind}>
          <span class={`swatch swatch-series-${index}`} aria-hidden="true" /> {words(kind)}
        </span>
      ))}
      table={{
        head: ['minute', ...kinds.map(words)],
        rows: history.minutes
          .filter(({ codes }) => Object.keys(codes).length > 0)
          .map((minute) => [minuteOf(minute), ...kinds.map((kind) => valueOf(minute, kind))]),
      }}
    />
  );
}

/** How often the fullest second of a minute held how many requests. */
export function WindowsHistogram({ history, quota }: Omit<Drawn, 'span'>) {
  const size = Math.max(1, Math.ceil(quota / 20));
  const bins = new Map<number, number>();
  for (const { worstWindow, requests } of history.minutes) {
    if (requests === 0) continue;
    const bin = worstWindow > quota ? quota + 1 : Math.floor(Math.max(worstWindow - 1, 0) / size);
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  const most = Math.ceil(quota / size);
  const all = Array.from({ length: most }, (_, bin) => bin);
  const places = most + 1;
  const wordsOf = (bin: number) =>
    bin > quota ? `above ${quota}` : `${bin * size + 1}–${Math.min((bin + 1) * size, quota)}`;
  return (
    <BarChart
      title="Minutes by their fullest second"
      bars={[...all, quota + 1].map((bin, index) => ({
        ...{ from: index / places, to: (index + 1) / places, value: bins.get(bin) ?? 0 },
        class: bin > quota ? 'column-over' : 'column-window',
        label: `${wordsOf(bin)} requests: ${count(bins.get(bin) ?? 0)} minutes`,
      }))}
      ticks={[
        { at: 0, label: '1' },
        { at: most / places / 2, label: count(Math.round(quota / 2)) },
        { at: 1, label: `above ${count(quota)}` },
      ]}
      table={{
        head: ['requests in the fullest second', 'minutes'],
        rows: [...bins].sort(([a], [b]) => a - b).map(([bin, n]) => [wordsOf(bin), n]),
      }}
    />
  );
}
