/** A real Chromium: that of the system, by its path. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { installPackage } from '../support/install.js';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-headless-shell', '/usr/bin/google-chrome'];

function findChromium(): string {
  const own = process.env['CHROMIUM'];
  const find = () =>
    [...(own === undefined ? [] : [own]), ...places].find((path) => existsSync(path));
  const found = find();
  if (found !== undefined) return found;
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    installPackage('chromium-headless-shell');
    const installed = find();
    if (installed !== undefined) return installed;
  }
  throw new Error(
    `the tests of the dashboard need Chromium at one of ${places.join(', ')}: install it (Debian: apt-get install chromium), or set CHROMIUM to its path`,
  );
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    // As root it has no sandbox; it loads nothing but our own pages.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

/** What a page did besides what it shows. */
export interface Watched {
  page: Page;
  /** Scripts that failed, and what the console complained of, but for answers that are asked for. */
  complaints: string[];
  /** Hosts that were asked. */
  hosts: Set<string>;
}

export async function openPage(
  browser: Browser,
  options: { width?: number; height?: number; theme?: 'light' | 'dark' } = {},
): Promise<Watched> {
  const { width = 1_280, height = 900, theme = 'light' } = options;
  const context = await browser.newContext({
    ...{ viewport: { width, height }, colorScheme: theme },
    ...{ timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce', locale: 'en-GB' },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:') hosts.add(url.host);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Chromium says so of each answer that is a problem; the page says it in words.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) complaints.push(message.text());
  });
  return { page, complaints, hosts };
}

export async function signInAt(page: Page, url: string, token: string): Promise<void> {
  await page.goto(`${url}/`);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation').waitFor();
}

/** What somebody else asks the server meanwhile. */
export async function askServer<T>(
  { url, token }: { url: string; token: string },
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await fetch(`${url}/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.ok, `${path}: ${response.status}`).toBe(true);
  return (await response.json()) as T;
}

/** What the API shall do from now on. */
export async function tellSimulator(
  endpoint: string,
  method: string,
  path: string,
  body?: string,
): Promise<void> {
  const response = await fetch(`${endpoint}/simulator/${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
  });
  expect(response.ok).toBe(true);
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Everything that axe knows of WCAG 2.2 AA and of good practice, in both themes. */
export async function expectAccessible(page: Page): Promise<void> {
  // Evaluated, not loaded: the page allows no script but its own.
  await page.evaluate(axe);
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    const found = await page.evaluate<string[]>(`(async () => {
      const { violations } = await axe.run();
      return violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' '));
    })()`);
    expect(found, `${page.url()} in the ${theme} theme`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Nothing is wider than the window. */
export async function expectFits(page: Page): Promise<void> {
  const wide = await page.evaluate<string[]>(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    return [...document.querySelectorAll('body *')]
      .filter((each) => each.getBoundingClientRect().right > clientWidth + 1)
      .map((each) => each.tagName + '.' + each.className);
  })()`);
  expect(wide, page.url()).toEqual([]);
}
