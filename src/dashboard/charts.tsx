/** Charts as SVG of our own: themed by the style sheet, sharp in any size, with a table beside each. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { count, decimal, localTime } from './format';

export interface Bar {
  /** Where it stands, from 0 to 1, and how wide. */
  from: number;
  to: number;
  value: number;
  class?: string;
  label: string;
}

export interface Shade {
  from: number;
  to: number;
  class: string;
  label: string;
}

const height = 180;
const margin = { left: 44, right: 8, top: 10, bottom: 22 };
const plotHeight = height - margin.top - margin.bottom;

/** As wide as there is place, so that words keep their size. */
function useWidth() {
  const figure = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    if (figure.current === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.max(240, Math.round(entry.contentRect.width)));
    });
    observer.observe(figure.current);
    return () => observer.disconnect();
  }, []);
  return { figure, width };
}

/** A round number that is at least that. */
export function roundUp(value: number): number {
  if (value <= 5) return 5;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 4, 5, 8, 10].map((step) => step * unit).find((top) => top >= value) ?? value;
}

/** Stacked bars over a span, with a limit and shaded times. */
export function BarChart(props: {
  title: string;
  bars: readonly Bar[];
  shades?: readonly Shade[];
  limit?: { value: number; label: string };
  /** Of the horizontal axis. */
  ticks: readonly { at: number; label: string }[];
  /** The same as a table. */
  table: { head: readonly string[]; rows: readonly (readonly (string | number)[])[] };
  legend?: ComponentChildren;
}) {
  const { bars, shades = [], limit, ticks, table } = props;
  const { figure, width } = useWidth();
  const plotWidth = width - margin.left - margin.right;
  const totals = new Map<number, number>();
  const stacked = bars.map((bar) => {
    const below = totals.get(bar.from) ?? 0;
    totals.set(bar.from, below + bar.value);
    return { ...bar, below };
  });
  const top = roundUp(Math.max(limit?.value ?? 0, ...totals.values(), 1) * 1.04);
  const x = (part: number) => margin.left + part * plotWidth;
  const y = (value: number) => margin.top + plotHeight * (1 - value / top);
  return (
    <figure class="chart" ref={figure}>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={props.title}
      >
        {shades.map(({ from, to, class: kind, label }, index) => (
          <rect
            key={index}
            class={`shade ${kind}`}
            x={x(from)}
            y={margin.top}
            width={Math.max(x(to) - x(from), 1.5)}
            height={plotHeight}
          >
            <title>{label}</title>
          </rect>
        ))}
        {[0, top / 2, top].map((value) => (
          <g key={value}>
            <line
              class="grid"
              x1={margin.left}
              x2={width - margin.right}
              y1={y(value)}
              y2={y(value)}
            />
            <text class="tick" x={margin.left - 6} y={y(value) + 4} text-anchor="end">
              {decimal(value)}
            </text>
          </g>
        ))}
        {stacked.map(({ from, to, value, below, class: kind = '', label }, index) => (
          <rect
            key={index}
            class={`column ${kind}`}
            x={x(from) + 0.5}
            y={y(below + value)}
            width={Math.max(x(to) - x(from) - 1, 1)}
            height={Math.max(y(below) - y(below + value), value > 0 ? 1 : 0)}
          >
            <title>{label}</title>
          </rect>
        ))}
        {limit !== undefined && (
          <g class="limit">
            <line
              x1={margin.left}
              x2={width - margin.right}
              y1={y(limit.value)}
              y2={y(limit.value)}
            />
            <text x={width - margin.right} y={y(limit.value) - 4} text-anchor="end">
              {limit.label}
            </text>
          </g>
        )}
        {ticks.map(({ at, label }) => (
          <text
            key={at}
            class="tick"
            x={x(at)}
            y={height - 6}
            text-anchor={at < 0.05 ? 'start' : at > 0.95 ? 'end' : 'middle'}
          >
            {label}
          </text>
        ))}
      </svg>
      {props.legend !== undefined && <figcaption class="legend">{props.legend}</figcaption>}
      <details>
        <summary>{props.title}: as a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`${props.title}: table`}>
          <table class="plain">
            <thead>
              <tr>
                {table.head.map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, column) => (
                    <td key={column} class={typeof cell === 'number' ? 'number' : ''}>
                      {typeof cell === 'number' ? count(cell) : cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

export interface Span {
  fromMs: number;
  toMs: number;
}

/** Where a time lies in a span, from 0 to 1. */
export function placeIn({ fromMs, toMs }: Span, atMs: number): number {
  return Math.min(1, Math.max(0, (atMs - fromMs) / (toMs - fromMs)));
}

/** A few round times of a span: as many as a phone has place for. */
export function timeTicks(span: Span): { at: number; label: string }[] {
  const minute = 60_000;
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1_440, 2_880].map((n) => n * minute);
  const length = span.toMs - span.fromMs;
  const step = steps.find((each) => length / each <= 6) ?? length / 6;
  const zone = new Date(span.fromMs).getTimezoneOffset() * minute;
  const first = Math.ceil((span.fromMs - zone) / step) * step + zone;
  const ticks = [];
  for (let at = first; at <= span.toMs; at += step) {
    const date = new Date(at);
    ticks.push({ at: placeIn(span, at), label: localTime(date, date, false) });
  }
  // At an edge there is no place for its words.
  return ticks.filter(({ at }) => at >= 0.04 && at <= 0.96);
}
