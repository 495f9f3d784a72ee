/**
 * An evening in the dashboard, in a real Chromium, against `serve --simulate`: every screen, every
 * action, every role. With SCREENSHOTS set to a folder, the pictures of the docs are taken too.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folderWith, run, start, type Process } from '../e2e/room-reaper.js';
import { afterThisFile } from '../support/clean-up.js';
import { askServer, signInAt, tellSimulator } from './browser.js';
import { expectAccessible, expectFits, openBrowser, openPage, type Watched } from './browser.js';

const tokens = { operator: '', producer: '', viewer: '' };

const screenshots = process.env['SCREENSHOTS'];

let browser: Browser;
let server: Process;
let url: string;
let folder: string;
let operator: Watched;
let page: Page;

/** On the data of the server, as somebody at its machine. */
async function manageTokens(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['token', ...args], {
    cwd: folder,
    env: { TENCENT_SDK_APP_ID: '1400000000', ROOM_REAPER_DATA_DIR: '.room-reaper/simulation' },
  });
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

const ask = <T>(path: string, body?: unknown): Promise<T> =>
  askServer<T>({ url, token: tokens.operator }, path, body);

async function simulator(method: string, path: string, body?: string): Promise<void> {
  const me = await ask<{ server: { endpoint: string } }>('v1/me');
  await tellSimulator(me.server.endpoint, method, path, body);
}

const signIn = ({ page: into }: Watched, token: string) => signInAt(into, url, token);

async function open(where: string, on = page): Promise<void> {
  await on.goto(`${url}/#/${where}`);
}

/** The line at work for some minutes, as the picture of it shows. */
async function workForAWhile(): Promise<void> {
  if (screenshots === undefined) return;
  const rooms = Array.from({ length: 60_000 }, (_, n) => `new-year-${n}`);
  const { batchId } = await ask<{ batchId: string }>('v1/batches?name=new-year&expect=60000', {
    rooms,
  });
  const minutes = async () => {
    const history = await ask<{ minutes: { requests: number }[] }>('v1/history');
    return history.minutes.filter(({ requests }) => requests > 0).length;
  };
  await expect.poll(minutes, { timeout: 360_000, interval: 5_000 }).toBeGreaterThan(1);
  await picture('line');
  await ask(`v1/batches/${batchId}/cancel`, {});
}

async function picture(name: string): Promise<void> {
  if (screenshots === undefined) return;
  mkdirSync(screenshots, { recursive: true });
  await page.screenshot({ path: join(screenshots, `dashboard-${name}.png`) });
}

beforeAll(async () => {
  folder = folderWith({}, afterThisFile);
  server = start(['serve', '--simulate', '--port', '0'], {
    ...{ after: afterThisFile, cwd: folder },
    env: {
      ...{ SERVE_LABEL: 'staging:purple', SERVE_BASE_PATH: '/ops' },
      ...{ LOG_LEVEL: 'warn', TZ: 'Asia/Shanghai' },
    },
  });
  browser = await openBrowser();
  afterThisFile(() => browser.close());
  url = (await server.said(/serves http\S+/)).replace('serves ', '');
  tokens.operator = await server.said(/rr_(?!once_)[\w-]{43}/);
  operator = await openPage(browser);
  page = operator.page;
  page.setDefaultTimeout(60_000);
});

afterAll(() => {
  // Nothing was asked of anyone else, and nothing was refused by the policy or failed.
  expect([...operator.hosts]).toEqual([new URL(url).host]);
  expect(operator.complaints).toEqual([]);
});

test('a first visit asks nothing, and a wrong token is refused in words', async () => {
  await page.goto(`${url}/`);
  await page.getByLabel('Token').fill('rr_wrong');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('The token must be one that counts').waitFor();
  await signIn(operator, tokens.operator);
  await page.getByText('staging').waitFor();
  await page.getByText('app 1400000000').waitFor();
  expect(await page.title()).toBe('Line · room-reaper');
});

test('a link signs in once, and leaves no secret in the address', async () => {
  const link = (await server.said(/sign a browser in.*: \S+/)).replace(/^.*: /, '');
  const watched = await openPage(browser);
  // Also in a tab that is open: there it changes the fragment alone.
  await watched.page.goto(`${url}/`);
  await watched.page.getByLabel('Token').waitFor();
  await watched.page.goto(link);
  await watched.page.getByText('local operator').waitFor();
  expect(watched.page.url()).not.toContain('rr_once');
  await watched.page.getByRole('button', { name: 'Sign out' }).click();
  await watched.page.goto(link);
  await watched.page.getByRole('alert').waitFor();
  await watched.page.getByLabel('Token').waitFor();
  await watched.page.context().close();
});

test('a screen that fails says so, and leaves the others', async () => {
  const watched = await openPage(browser);
  await signIn(watched, tokens.operator);
  await watched.page.route('**/v1/audit*', (route) => route.fulfill({ json: { hosts: null } }));
  await open('quota', watched.page);
  await watched.page.getByRole('button', { name: 'Count again, request by request' }).click();
  await watched.page.getByText('This screen failed.').waitFor();
  await open('batches', watched.page);
  await watched.page.getByText('Asked for, newest first').waitFor();
  await watched.page.context().close();
});

test('a list that is written has its bad lines told, and goes without them', async () => {
  await open('new');
  await page
    .getByLabel('RoomIds, one a line')
    .fill('room-000001\ncafé\nroom-000002\nroom-000001\n');
  await page.getByRole('button', { name: 'Check it' }).click();
  await page.getByRole('alert').getByText('Line 2:').waitFor();
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Leave out these lines' }).click();
  await page.getByText('1 no RoomIds, left out').waitFor();
  await page.getByText('1 named twice, taken once').waitFor();
  const created = page.getByLabel('Only rooms created before');
  await created.fill('2026-01-02T03:04');
  await page.getByLabel('read statistics first').check();
  await page.getByText('Nothing is asked for before it was checked.').waitFor();
  await page.getByRole('button', { name: 'Check it' }).click();
  await page.getByText(/rooms created after .* are left alone/).waitFor();
  await created.fill('');
  await page.getByRole('button', { name: 'Check it' }).click();
  await page.getByRole('button', { name: 'Destroy 2 rooms' }).click();
  await page.getByRole('link', { name: 'Follow it' }).click();
  await page.getByText('2 of 2 rooms').waitFor();
  await page.getByText('are read before each room is destroyed').waitFor();
  await page.getByText('finished').waitFor();
  // A hundred thousand rooms are live: reading them takes some minutes.
  const look = page.getByRole('button', { name: 'Look which rooms live on' });
  await look.click();
  await page.getByText(/^Looking: none of [\d,]+ rooms listed so far are of this batch/).waitFor();
  await page.getByRole('button', { name: 'Stop looking' }).click();
  await page.getByText(/it was not read to its end\.$/).waitFor();
  const lines = [
    { roomId: 'room-000001', createdAt: '2026-01-02T03:04:05.000Z', known: 'created again' },
    { end: { pass: 2, pages: 2, seen: 7, found: 1, unreadable: 0, movedOn: false } },
  ];
  const body = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  await page.route('**/v1/live-rooms*', (route) => route.fulfill({ body }));
  await look.click();
  const survivors = page.getByRole('table', { name: 'Rooms that live on' });
  await survivors.getByText('created again').waitFor();
  await page.getByText('1 of 7 rooms that are listed is of this batch.').waitFor();
  await page.unroute('**/v1/live-rooms*');
  await expectAccessible(page);
});

test('a file is dropped, checked, and sent once its number was typed', async () => {
  const kinds = [
    'bad-1\t100002',
    'bad-2\t100002',
    'nowhere-1\tgone',
    ...['a', 'b'].map((id) => `weak-${id}\t502`),
  ];
  await simulator('POST', 'rooms', kinds.join('\n'));
  const rooms = Array.from(
    { length: 1_500 },
    (_, n) => `room-${String(n + 1_001).padStart(6, '0')}`,
  );
  const text = [...kinds.map((row) => row.split('\t')[0]), ...rooms].join('\n');
  await open('new');
  await page.getByLabel('A file of RoomIds').setInputFiles({
    ...{ name: 'gala.txt', mimeType: 'text/plain', buffer: Buffer.from(text) },
  });
  await page.getByLabel('Why').fill('the gala is over');
  await page.getByRole('button', { name: 'Check it' }).click();
  const order = page.getByRole('button', { name: 'Destroy 1,505 rooms' });
  await order.waitFor();
  expect(await order.isDisabled()).toBe(true);
  await page.getByLabel('Type 1505').fill('1505');
  await picture('new-batch');
  await order.click();
  await page.getByRole('link', { name: 'gala' }).click();
  await page.getByText('the gala is over').waitFor();
  await expect
    .poll(() => page.getByText(/^\d[\d,]* of 1,505 rooms/).textContent())
    .not.toMatch(/^0/);
  await page.getByRole('table', { name: 'Rooms' }).waitFor();
  await picture('batch');
  await expectAccessible(page);
});

test(
  'the line shows what happens, and the queue is paused and resumed with a reason',
  {
    timeout: screenshots === undefined ? 120_000 : 600_000,
  },
  async () => {
    await open('line');
    await page.getByRole('img', { name: 'Requests a second' }).waitFor();
    await page
      .getByText(/^All \d+ checks are well/)
      .or(page.getByText(/^(warning|problem): /).first())
      .waitFor();
    await expectAccessible(page);
    await workForAWhile();
    await page.getByRole('button', { name: 'Pause …' }).click();
    const dialog = page.getByRole('dialog');
    await expectAccessible(page);
    expect(await dialog.getByRole('button', { name: 'Pause', exact: true }).isDisabled()).toBe(
      true,
    );
    // The keyboard alone is enough.
    await page.keyboard.press('Tab');
    await dialog.getByLabel('Why').focus();
    await page.keyboard.type('lunch');
    await page.keyboard.press('Enter');
    await page.getByText('demo paused the queue: lunch').waitFor();
    await expect.poll(() => page.title()).toBe('Paused · room-reaper');
    await page.getByRole('button', { name: 'Resume …' }).click();
    await page.getByRole('dialog').getByLabel('Why').fill('over');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.title()).toBe('Line · room-reaper');
  },
);

test('a batch tells its outcomes and what went wrong, and its rooms are looked at', async () => {
  await open('batches');
  await page.getByRole('link', { name: 'gala' }).click();
  await page.getByText('already gone 1').waitFor();
  await page.getByText('rejected 2').waitFor();
  await page.getByText('would fail again').waitFor();
  await page.getByLabel('Outcome').selectOption('rejected');
  await expect.poll(() => page.url()).toContain('outcome=rejected');
  const rows = page.getByRole('table', { name: 'Rooms' }).getByRole('row');
  await expect.poll(() => rows.count()).toBe(3);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Report as CSV' }).click(),
  ]);
  const report = readFileSync(await download.path(), 'utf8');
  expect(report.trim().split('\n')).toHaveLength(1_506);
  await rows.getByRole('link', { name: 'bad-1' }).click();
  await page.getByText('Not destroyed: the API refused it for good').waitFor();
  await page.getByRole('button', { name: 'Copy RequestId of request 1' }).click();
  await page.getByText('Copied').waitFor();
  await expectAccessible(page);
});

test('a replay does what its preview said', async () => {
  await open('errors');
  const failure = page.getByRole('listitem').filter({ hasText: 'rejected' });
  await failure.getByRole('button', { name: 'Replay these 2 …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('0 rooms would be asked for again').waitFor();
  await expectAccessible(page);
  await dialog.getByLabel('also those that were refused for good').check();
  await dialog.getByText('2 rooms would be asked for again').waitFor();
  // Meanwhile somebody else asks for one of them: the choice is another, and nothing is done.
  await ask('v1/rooms', { roomId: 'bad-1' });
  await expect
    .poll(async () => {
      type Explained = { pending?: object; destructions: object[] };
      const { pending, destructions } = await ask<Explained>('v1/rooms?roomId=bad-1');
      return pending === undefined ? destructions.length : 0;
    })
    .toBe(2);
  await dialog.getByRole('button', { name: 'Replay 2 rooms' }).click();
  await dialog.getByText('The choice has changed since it was shown').waitFor();
  await dialog.getByRole('button', { name: 'Replay 2 rooms' }).click();
  await dialog.getByRole('link', { name: 'Show it' }).click();
  await page.getByText('Replays', { exact: true }).waitFor();
});

test('a batch is cancelled after a preview', async () => {
  await ask('v1/pause', { reason: 'so that it waits' });
  const { batchId } = await ask<{ batchId: string }>('v1/batches?name=mistake', {
    rooms: ['room-009001', 'room-009002', 'room-009003'],
  });
  await open(`batches/${batchId}`);
  await page.getByText('waits', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel …' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('3 rooms of 3 have not ended').waitFor();
  await dialog.getByLabel('Why').fill('the wrong list');
  await dialog.getByRole('button', { name: 'Cancel it' }).click();
  await dialog.getByText('3 rooms taken back').waitFor();
  await page
    .getByRole('button', { name: 'Cancel …', disabled: true, includeHidden: true })
    .waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  // The button that had the focus is disabled now: the keyboard goes on from the content.
  expect(await page.evaluate('document.activeElement.id')).toBe('main');
  await page.getByText('cancelled 3', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Replay what is not gone …' }).click();
  await dialog.getByText('0 rooms would be asked for again').waitFor();
  await dialog.getByText('stay out: somebody cancelled them').waitFor();
  await dialog.getByLabel('also those that were cancelled').check();
  await dialog.getByText('3 rooms would be asked for again').waitFor();
  await page.keyboard.press('Escape');
  await ask('v1/resume', { reason: 'it is taken back' });
});

test('a room is asked for, and one that waits is taken back', async () => {
  await open('room?id=room-009100');
  await page.getByRole('button', { name: 'Ask for it …' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Destroy it' }).click();
  await page.getByRole('dialog').getByText('It is asked for.').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.getByText(/^Destroyed at /).waitFor();
  await page.getByText('Gift coins').waitFor();

  await ask('v1/rooms', { roomId: 'room-009101', delaySeconds: 3_600 });
  await page.getByLabel('RoomId').fill('room-009101');
  await page.getByRole('button', { name: 'Look' }).click();
  await page.getByRole('button', { name: 'Cancel …' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
  await page.getByRole('dialog').getByText('It is taken back.').waitFor();
});

test('a stopped line says cause, remedy and who, in the largest words and in the tab', async () => {
  await simulator('PUT', 'fault', '70003');
  await ask('v1/rooms', { roomId: 'room-009200', urgent: true });
  await open('line');
  await expect.poll(() => page.title()).toBe('STOPPED · room-reaper');
  // The finding of a check says so too, once that has run.
  await page.getByText(/^Since .*, said by /).waitFor();
  await page
    .getByText(/TENCENT_SECRET_KEY/)
    .first()
    .waitFor();
  const largest = await page.evaluate<string>(`[...document.querySelectorAll('body *')]
    .filter((each) => each.children.length === 0 && each.textContent !== '')
    .map((each) => ({ text: each.textContent, size: parseFloat(getComputedStyle(each).fontSize) }))
    .sort((a, b) => b.size - a.size)[0].text`);
  expect(largest).toBe('STOPPED');
  await expectAccessible(page);
  await picture('stopped');
  await open('batches');
  await page.getByRole('link', { name: 'STOPPED' }).waitFor();
  await simulator('DELETE', 'fault');
  await open('line');
  await page.getByRole('button', { name: 'Resume …' }).click();
  await page.getByRole('dialog').getByLabel('Why').fill('the key is mended');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.title()).toBe('Line · room-reaper');
});

test('the quota and the action log are told', async () => {
  await open('quota');
  await page.getByRole('button', { name: 'Count again, request by request' }).click();
  await page.getByText('Said over quota').waitFor();
  await page
    .getByText(/^Kept: never more than [\d,]+ requests in a second, of 200/)
    .first()
    .waitFor();
  await expectAccessible(page);
  await open('actions');
  await page.getByText('the wrong list').waitFor();
  await page.getByText('dashboard').first().waitFor();
  await expectAccessible(page);
  await open('errors');
  await page.getByRole('heading', { level: 1, name: 'Errors' }).waitFor();
  await expectAccessible(page);
  // A link that was cut off on its way is no dead page.
  await open('errors?from=2026-11-&to=x');
  await page.getByLabel('Time').waitFor();
  await open('batches/gala%2');
  await page.getByRole('alert').waitFor();
});

test('on a phone and on a wall everything has its place', async () => {
  const screens = ['line', 'batches', 'new', 'room?id=bad-1', 'errors', 'quota', 'actions'];
  for (const width of [320, 760, 970, 2_560]) {
    await page.setViewportSize({ width, height: 900 });
    for (const screen of screens) {
      await open(screen);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await expect.poll(() => page.getByText('Looking …').count()).toBe(0);
      await expectFits(page);
    }
    await open('batches');
    await page.getByRole('link', { name: 'gala' }).click();
    await page.getByText('rejected 2').waitFor();
    await expectFits(page);
  }
  await page.setViewportSize({ width: 1_280, height: 900 });
});

describe('other roles', () => {
  test.each([
    ['viewer', ['Line', 'Batches', 'Room', 'Errors', 'Quota']],
    ['producer', ['Batches', 'New batch', 'Room']],
  ] as const)('a %s sees what it may, and no button for the rest', async (role, screens) => {
    tokens[role] = await manageTokens('create', '--name', `a-${role}`, '--role', role);
    // A server reads the tokens once a second.
    const headers = { Authorization: `Bearer ${tokens[role]}` };
    await expect
      .poll(async () => (await fetch(`${url}/v1/me`, { headers })).status, { timeout: 60_000 })
      .toBe(200);
    const watched = await openPage(browser);
    await signIn(watched, tokens[role]);
    const names = await watched.page.getByRole('navigation').getByRole('link').allTextContents();
    expect(names).toEqual(screens);
    const dangerous = watched.page.getByRole('button', { name: /Pause|Resume|Cancel|Replay/ });
    expect(await dangerous.count()).toBe(0);
    await open('actions', watched.page);
    await watched.page.getByRole('heading', { level: 1, name: screens[0] }).waitFor();
    if (role === 'producer') {
      await open('new', watched.page);
      await watched.page.getByLabel('RoomIds, one a line').fill('room-009300\n');
      await watched.page.getByRole('button', { name: 'Check it' }).click();
      await watched.page.getByRole('button', { name: 'Destroy 1 room' }).click();
      await watched.page.getByRole('link', { name: 'Follow it' }).click();
      await watched.page.getByText('1 of 1 room').waitFor();
    } else {
      await open('errors', watched.page);
      await watched.page.getByText('would fail again').first().waitFor();
    }
    expect(await dangerous.count()).toBe(0);
    await expectAccessible(watched.page);
    expect(watched.complaints).toEqual([]);
    await watched.page.context().close();
  });
});

test('a revoked token signs out, a store and a server that are away are told in place', async () => {
  const watched = await openPage(browser);
  await signIn(watched, tokens.viewer);
  await manageTokens('revoke', 'a-viewer');
  await watched.page.getByText('The session has ended').waitFor();

  // What was typed when it ended is there for the same name again, and for no other.
  const signInHere = async (token: string) => {
    await watched.page.getByLabel('Token').fill(token);
    await watched.page.getByRole('button', { name: 'Sign in' }).click();
    await watched.page.getByRole('navigation').waitFor();
  };
  await signInHere(tokens.operator);
  const written = watched.page.getByLabel('RoomIds, one a line');
  await open('new', watched.page);
  await written.fill('room-009400\n');
  await watched.page.context().clearCookies();
  await watched.page.getByRole('button', { name: 'Check it' }).click();
  await watched.page.getByText('The session has ended').waitFor();
  await signInHere(tokens.producer);
  await open('new', watched.page);
  expect(await written.inputValue()).toBe('');
  await watched.page.context().clearCookies();
  await open('batches', watched.page);
  await watched.page.getByText('The session has ended').waitFor();
  await signInHere(tokens.operator);
  await open('new', watched.page);
  expect(await written.inputValue()).toBe('room-009400\n');
  await watched.page.getByRole('button', { name: 'Check it' }).click();
  await watched.page.getByRole('button', { name: 'Destroy 1 room' }).waitFor();
  await watched.page.context().close();

  await open('line');
  await page.getByText('Newest batches').waitFor();
  const status = await ask<object>('v1/status');
  const json = { ...status, queue: null, unreachable: 'the queue does not answer' };
  await page.route('**/v1/status', (route) => route.fulfill({ json }));
  await page.getByText('A store is away').waitFor();
  await page.getByText('The queue does not answer.').waitFor();
  await page.unroute('**/v1/status');
  await expect.poll(() => page.title()).toBe('Line · room-reaper');

  server.kill('SIGKILL');
  await page.getByText(/shown is what was known at/).waitFor();
  expect(await page.title()).toBe('The server does not answer · room-reaper');
  await page.getByRole('link', { name: 'gala' }).waitFor();
});
