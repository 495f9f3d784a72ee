/** The OpenAPI document as linters and generators of clients read it. */
import { beforeAll, expect, test } from 'vitest';
import { describeApi } from '../../src/server/openapi.js';
import { allRoutes } from '../../src/server/routes.js';

const facts = { version: '1.2.3', basePath: '/reaper', cookieName: 'room_reaper_1400000001' };
/** What is no page. */
const routes = allRoutes(facts).filter(({ isPage }) => isPage !== true);

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  security: Record<string, string[]>[];
  parameters?: { name: string; in: string }[];
  responses: Record<string, { description: string; content?: object }>;
}

interface Document {
  openapi: string;
  info: Record<string, unknown>;
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, object>>;
}

let document: Document;
let operations: { path: string; method: string; operation: Operation }[];

beforeAll(() => {
  document = JSON.parse(JSON.stringify(describeApi(allRoutes(facts), facts))) as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
});

test('every route is in it, once, under a name of its own', () => {
  const described = operations.map(({ path, method }) => `${method} ${path}`);
  expect(described.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  const names = operations.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(routes.length);
  expect(names.filter((name) => !/^[a-z][A-Za-z]+$/.test(name))).toEqual([]);
});

test('it says what it is, and where', () => {
  expect(document).toMatchObject({
    ...{ openapi: '3.1.0', servers: [{ url: '/reaper' }] },
    info: { title: 'room-reaper', version: '1.2.3', license: { name: 'MIT' } },
  });
});

test('every operation says what it does, who may, what comes of it, and what goes wrong', () => {
  for (const { path, method, operation } of operations) {
    const { summary, description, responses } = operation;
    expect(summary, `${method} ${path}`).toMatch(/^[A-Z].*\.$/);
    expect(description, `${method} ${path}`).toMatch(/^Needs .*\.$/);
    const statuses = Object.keys(responses);
    expect(statuses, `${method} ${path}`).toEqual(expect.arrayContaining(['4XX', '5XX']));
    expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
    for (const [status, { description: means, content = {} }] of Object.entries(responses)) {
      expect(means).not.toBe('');
      const isEmpty = Object.keys(content).length === 0;
      expect(isEmpty, `${method} ${path} ${status} has a body`).toBe(/^[23]04$/.test(status));
    }
  }
});

test('what stands in a path is a parameter of it, and no other is', () => {
  for (const { path, operation } of operations) {
    const declared = (operation.parameters ?? []).filter((each) => each.in === 'path');
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(declared.map(({ name }) => name)).toEqual(named);
  }
});

test('who asks comes with a token or with the cookie of a session, as its routes want', () => {
  expect(document.components['securitySchemes']).toMatchObject({
    token: { type: 'http', scheme: 'bearer' },
    session: { type: 'apiKey', in: 'cookie', name: facts.cookieName },
  });
  for (const { path, method, operation } of operations) {
    const found = routes.find((each) => each.path === path && each.method === method);
    const ways = operation.security.flatMap((each) => Object.keys(each));
    expect(ways, path).toEqual(found?.role === 'none' ? [] : ['token', 'session']);
  }
});

test('every reference leads somewhere, and every component is referred to', () => {
  const text = JSON.stringify(document);
  const referred = new Set([...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to));
  const schemas = Object.keys(document.components['schemas'] ?? {});
  expect([...referred].sort()).toEqual(schemas.map((name) => `#/components/schemas/${name}`));
  expect(schemas).toEqual(['Problem']);
});
