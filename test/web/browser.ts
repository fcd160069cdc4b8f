/**
 * A browser for tests of pages: Chromium, where it is installed. Continuous integration sets HAMBURGER_BROWSER=required, and a missing one fails.
 */

import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { delimiter, extname, join, normalize } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, expect } from 'vitest';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

function find(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

const program = find();
const required = process.env.HAMBURGER_BROWSER === 'required';

/** Whether tests in a browser are left out, and why. */
export const left = program === undefined && !required;
export const reason = left ? ' (skipped: there is no Chromium)' : '';

/** The browser; closed at the end of the test file. */
export async function launch(): Promise<Browser> {
  if (program === undefined) throw new Error('HAMBURGER_BROWSER=required, but there is no Chromium');
  const browser = await chromium.launch({
    executablePath: program,
    // It is to ask nobody anything by itself.
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
  afterAll(() => browser.close());
  return browser;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

/** Serves a folder as any simple server does, without special headers; ended with the test file. @returns the address */
export async function serve(folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url!, 'http://localhost').pathname);
    try {
      const body = readFileSync(join(folder, path.endsWith('/') ? `${path}index.html` : path));
      response.writeHead(200, {
        'Content-Type': TYPES[extname(path) || '.html'] ?? 'application/octet-stream',
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address!.port : ''}/`;
}

/** What went wrong on a page: errors, messages of the console, and requests to anywhere else. */
export function watch(page: Page, address: string): readonly string[] {
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`error: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`);
  });
  const origin = address.startsWith('file:') ? address : new URL(address).origin;
  page.on('request', (request) => {
    const url = request.url();
    if (!(url.startsWith(origin) || /^(?:blob|data):/.test(url))) faults.push(`request: ${url}`);
  });
  return faults;
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Findings of axe-core that are serious or critical, with where they are.
 *
 * @param rules those to be tried, if not all
 */
export async function seriousFindings(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate(`axe.run(${JSON.stringify(rules === undefined ? {} : { runOnly: rules })}).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target + ': ' + failureSummary)))`);
}

/** Nothing is wider than the window, and no text is cut off by its box. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const wide = await page.evaluate(`(() => {
    const beyond = (e) => e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1;
    const scrolls = (e) => e !== null && e !== document.documentElement && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
    return [...document.querySelectorAll('body *:not(svg *)')]
      .filter((e) => e.checkVisibility() && beyond(e) && !scrolls(e))
      .map((e) => e.tagName + '.' + e.getAttribute('class'));
  })()`);
  expect(wide).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
}

/** Widths and colours that pages are looked at in. */
export const APPEARANCES = [
  { width: 1440, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
] as const;
