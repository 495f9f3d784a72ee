/**
 * Draws docs/run.svg: what the last lines of a run look like.
 *
 *   npm run --silent demo > run.txt; node scripts/screenshot.mjs < run.txt
 */
import { writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

const said = (await text(process.stdin)).trimEnd().split('\n');
// From the result on; what the build says before it belongs to no picture.
const begin = said.findIndex((line) => /^[\d,]+ rooms in /.test(line));
if (begin < 0) throw new Error('standard input must be the output of `npm run --silent demo`');
const lines = ['$ npm run demo', '', ...said.slice(begin)];

const lineHeight = 20;
// A letter of this font is up to 8.5 units wide.
const width = 40 + Math.max(...lines.map((line) => line.length)) * 8.5;
const height = 56 + lines.length * lineHeight;
const escape = (line) => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const rows = lines.map(
  (line, index) => `<text x="20" y="${60 + index * lineHeight}">${escape(line)}</text>`,
);

// A background of its own, so that it can be read on a light page and on a dark one.
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="What npm run demo prints at its end">
<style>text{font:14px ui-monospace,Menlo,Consolas,monospace;fill:#d7dde5;white-space:pre}</style>
<rect width="${width}" height="${height}" rx="8" fill="#161b22" stroke="#444c56"/>
<circle cx="22" cy="20" r="6" fill="#f0655a"/><circle cx="42" cy="20" r="6" fill="#f4bf4f"/><circle cx="62" cy="20" r="6" fill="#61c554"/>
${rows.join('\n')}
</svg>
`;
writeFileSync(new URL('../docs/run.svg', import.meta.url), svg);
