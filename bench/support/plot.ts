/** A bar chart of arrivals as SVG, written by hand: one panel below the other, one scale. Pure. */

export interface Panel {
  title: string;
  /** Arrivals per bin. */
  bins: readonly number[];
  colour: string;
}

export interface PlotOptions {
  title: string;
  panels: readonly Panel[];
  binMs: number;
  /** What a bin holds where the quota is used evenly: drawn as a line. */
  even: number;
}

const width = 900;
const panelHeight = 190;
const margin = { left: 52, right: 16, top: 52, between: 46, bottom: 40 };

export function plotAsSvg({ title, panels, binMs, even }: PlotOptions): string {
  const most = Math.max(even, ...panels.flatMap(({ bins }) => bins));
  const top = Math.ceil(most / 50) * 50;
  const height =
    margin.top + panels.length * panelHeight + (panels.length - 1) * margin.between + margin.bottom;
  const plotWidth = width - margin.left - margin.right;
  const bottom = (index: number) =>
    margin.top + index * (panelHeight + margin.between) + panelHeight;
  const y = (index: number, value: number) => bottom(index) - (value / top) * panelHeight;

  const parts: string[] = [];
  for (const [index, panel] of panels.entries()) {
    const barWidth = plotWidth / panel.bins.length;
    parts.push(text(margin.left, y(index, top) - 10, panel.title, 'class="panel"'));
    for (let value = 0; value <= top; value += 50) {
      const at = y(index, value);
      parts.push(
        `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${fixed(at)}" y2="${fixed(at)}"/>`,
        text(margin.left - 8, at + 4, String(value), 'text-anchor="end"'),
      );
    }
    const bars = panel.bins.map((value, bin) => {
      const x = margin.left + bin * barWidth;
      return `M${fixed(x)} ${fixed(bottom(index))}V${fixed(y(index, value))}h${fixed(barWidth * 0.85)}V${fixed(bottom(index))}z`;
    });
    parts.push(`<path fill="${panel.colour}" d="${bars.join('')}"/>`);
    const evenAt = fixed(y(index, even));
    parts.push(
      `<line class="even" x1="${margin.left}" x2="${width - margin.right}" y1="${evenAt}" y2="${evenAt}"/>`,
    );
    const seconds = (panel.bins.length * binMs) / 1_000;
    for (let second = 0; second <= seconds; second++) {
      const x = margin.left + (second / seconds) * plotWidth;
      parts.push(text(x, bottom(index) + 16, `${second} s`, 'text-anchor="middle"'));
    }
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#444}.panel{font-weight:600;fill:#222}.title{font-size:15px;font-weight:600;fill:#111}.grid{stroke:#e3e3e3}.even{stroke:#b00;stroke-dasharray:4 3}</style>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(margin.left, 22, title, 'class="title"'),
    ...parts,
    text(
      margin.left,
      height - 6,
      `Requests that arrived in each ${binMs} ms, at the server. Dashed: the quota, evenly used.`,
      '',
    ),
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escape(content)}</text>`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
