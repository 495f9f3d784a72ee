/** The dashboard: files that the build made of src/dashboard. They are a client of the API. */
import { z } from '@hono/zod-openapi';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { ReaperError } from '../errors.js';
import { compiledFile } from '../own-file.js';
import { isKnown } from './answer.js';
import { HttpProblem } from './problem.js';
import { route } from './route.js';
import { etagOf } from './snapshot.js';

/** Nothing from elsewhere, nothing written into the page, and no page around it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  // The icon of the tab, which tells the state of the line, is drawn by the page.
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

interface PageFile {
  plain: Buffer<ArrayBuffer>;
  packed: Buffer<ArrayBuffer>;
  etag: string;
  type: string;
}

const kept = new Map<string, PageFile>();

/** @throws ReaperError `UNAVAILABLE` where the build has no dashboard. */
function fileOf(name: string): PageFile {
  const known = kept.get(name);
  if (known !== undefined) return known;
  const plain = readFileSync(compiledFile(`dashboard/${name}`, import.meta.url));
  const type = types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  const file = { plain, packed: gzipSync(plain), etag: etagOf(plain), type };
  kept.set(name, file);
  return file;
}

function answer(name: string, request: Request, cacheControl: string): Response {
  const { plain, packed, etag, type } = fileOf(name);
  const headers = {
    ...{ 'Content-Type': type, 'Cache-Control': cacheControl, ETag: etag, Vary: 'Accept-Encoding' },
    'Content-Security-Policy': policy,
  };
  if (isKnown(etag, request)) return new Response(null, { status: 304, headers });
  const isPacked = /\bgzip\b/.test(request.headers.get('Accept-Encoding') ?? '');
  const packing = isPacked ? { 'Content-Encoding': 'gzip' } : {};
  return new Response(isPacked ? packed : plain, { headers: { ...headers, ...packing } });
}

const shape = { method: 'get', role: 'none', isPage: true } as const;

const page = route(
  { ...shape, path: '/', summary: 'The dashboard.', answers: { 200: { means: 'the page' } } },
  ({ request }) => Promise.resolve(answer('index.html', request, 'no-cache')),
);

/** Its own paths are relative: they want the slash. */
const toPage = route(
  { ...shape, path: '', summary: 'The dashboard.', answers: { 308: { means: 'the page' } } },
  ({ context: { basePath } }) =>
    Promise.resolve(new Response(null, { status: 308, headers: { Location: `${basePath}/` } })),
);

const asset = route(
  {
    ...{ ...shape, path: '/assets/{name}', summary: 'A file of the dashboard.' },
    parameters: z.strictObject({ name: z.string() }),
    answers: { 200: { means: 'the file; its name has its content' } },
  },
  async ({ path: { name }, request }) => {
    // What is in the name cannot lead out of the folder.
    if (!/^[\w-]+\.(?:js|css)$/.test(name)) throw noSuchFile();
    try {
      return await Promise.resolve(
        answer(`assets/${name}`, request, 'public, max-age=31536000, immutable'),
      );
    } catch (error) {
      throw error instanceof ReaperError ? noSuchFile() : error;
    }
  },
);

function noSuchFile(): HttpProblem {
  return new HttpProblem('NO_SUCH_PATH', 'there is no such file of the dashboard', {
    remedy: 'load the page again: the server may be of another version by now',
  });
}

export const pages = [page, toPage, asset];
