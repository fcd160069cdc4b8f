/** The explain page and the playground, in a browser: as files and as served. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { sectionPlaces } from '../../lib/explain/parts.ts';
import {
  APPEARANCES,
  expectNoOverflow,
  launch,
  left,
  reason,
  seriousFindings,
  serve,
  watch,
} from './browser.ts';
import { idsOf, request, root } from './library.ts';

/** Most bytes that the folder and the file may have. */
const MOST_BYTES = 12e6;

/** A busy machine needs much longer than the two seconds that a quiet one does. */
const PATIENCE = 60_000;

let browser: Browser;

async function open(
  address: string,
  { width, colorScheme }: { width: number; colorScheme: 'light' | 'dark' } = APPEARANCES[0],
): Promise<{ page: Page; faults: readonly string[] }> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    reducedMotion: 'reduce',
  });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const faults = watch(page, address);
  await page.goto(address);
  return { page, faults };
}

/** What the keyboard reaches from the top: ids, or names of elements without one. */
async function tabStops(page: Page, most: number): Promise<readonly string[]> {
  await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
  const stops: string[] = [];
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    stops.push(
      await page.evaluate(`document.activeElement.id || document.activeElement.tagName.toLowerCase()`),
    );
    if (stops.at(-1) === 'body') break;
  }
  return stops;
}

describe.skipIf(left)(`pages in a browser${reason}`, { timeout: 2 * PATIENCE }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-web-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const built = { folder: join(folder, 'dist'), file: join(folder, 'playground.html') };

  beforeAll(async () => {
    // A name that is not known at compile time: the build is no part of what is checked there.
    const build = '../../web/build.mjs';
    const { buildFolder, buildStandalone } = await import(build);
    browser = await launch();
    await buildFolder(built.folder);
    await buildStandalone(built.file);
  }, 180_000);

  describe('explain', () => {
    const address = pathToFileURL(join(root, 'docs', 'explain.html')).href;

    it.each(APPEARANCES)(
      'at $width px, $colorScheme: no fault, nothing cut, accessible',
      async (appearance) => {
        const { page, faults } = await open(address, appearance);
        await expectNoOverflow(page);
        expect(await seriousFindings(page)).toEqual([]);
        expect(faults).toEqual([]);
      },
    );

    it('is the same as served', async () => {
      const { page, faults } = await open(`${await serve(join(root, 'docs'))}explain.html`);
      expect(await page.locator('h1').textContent()).toMatch(/^\d+ tokens in \d+ passes$/);
      // The icon that a browser asks for by itself.
      expect(faults.filter((fault) => !fault.includes('404'))).toEqual([]);
    });

    it('the keyboard alone goes from macro-step to macro-step, and only the chosen one is shown and printed', async () => {
      const { page } = await open(address);
      const visible = () =>
        page.evaluate(
          `[...document.querySelectorAll('#heads .of-step')].filter((e) => e.checkVisibility()).map((e) => e.className)`,
        );
      await page.locator('.choices input:checked').focus();
      expect(await visible()).toEqual(['of-step of-step-2']);
      await page.keyboard.press('ArrowRight');
      expect(await visible()).toEqual(['of-step of-step-3']);
      await page.emulateMedia({ media: 'print' });
      expect(await visible()).toEqual(['of-step of-step-3']);
    });
  });

  describe('playground', () => {
    const lane = (page: Page, name: string) => page.locator(`#lane-${name}.done`);
    const shown = async (page: Page, name: 'base' | 'hamburger') =>
      (await lane(page, name).getAttribute('data-ids'))!.split(',').map(Number);
    /** Waits for the run that the last input began. */
    const finished = async (page: Page) => {
      await page.locator('#status', { hasText: /^HAMburger:/ }).waitFor();
      await page.locator('#explained[aria-busy=false] #heads').waitFor();
    };
    const served = async (appearance?: (typeof APPEARANCES)[number]) => {
      const opened = await open(await serve(built.folder), appearance);
      await finished(opened.page);
      return opened;
    };

    it('as served: both lanes have the tokens of the library, and counters, status and explanation agree', async () => {
      const { page, faults } = await served();
      const [base, hamburger] = [idsOf('base', request), idsOf('hamburger', request)];
      expect(await shown(page, 'base')).toEqual(base);
      expect(await shown(page, 'hamburger')).toEqual(hamburger);
      expect(await page.locator('#lane-hamburger dd').allTextContents()).toEqual(['58', '11', '5.27', '38']);
      expect(await page.locator('#status').textContent()).toContain('58 tokens in 11 passes, 38 KV entries');
      expect(await page.locator('#explained .figures dd').allTextContents()).toEqual([
        '5.27',
        '11',
        '38',
        '85',
      ]);
      expect(await seriousFindings(page)).toEqual([]);
      const ids: string[] = await page.evaluate(`[...document.querySelectorAll('[id]')].map((e) => e.id)`);
      expect(new Set(ids).size).toBe(ids.length);
      await expectNoOverflow(page);
      expect(faults).toEqual([]);
    });

    it('the keyboard alone moves the sliders and breaks a part, and the numbers are those of the library', async () => {
      const { page, faults } = await served(APPEARANCES[1]);
      const stops = await tabStops(page, 24);
      for (const id of [
        'prompt',
        'confidence',
        'temperature',
        'seed',
        'pace',
        'go',
        'break-position',
        'break-stop',
      ])
        expect(stops).toContain(id);
      await page.locator('#confidence').focus();
      await page.keyboard.press('Home');
      await finished(page);
      expect(await page.locator('#confidence-value').textContent()).toBe('0');
      expect(await shown(page, 'hamburger')).toEqual(idsOf('hamburger', { ...request, confidence: 0 }));
      await page.locator('#temperature').focus();
      await page.keyboard.press('End');
      await page.locator('#seed').focus();
      await page.keyboard.press('Control+A');
      await page.keyboard.type('7');
      await page.keyboard.press('Enter');
      const sampled = { ...request, confidence: 0, temperature: 2, seed: '7' };
      await expect
        .poll(() => page.evaluate(`document.querySelector('#lane-hamburger.done')?.dataset.ids`), {
          timeout: PATIENCE,
        })
        .toBe(idsOf('hamburger', sampled).join());
      expect(await shown(page, 'base')).toEqual(idsOf('base', sampled));
      await page.locator('#break-position').focus();
      await page.keyboard.press('Space');
      await finished(page);
      expect(await page.locator('#explained .facts').textContent()).toContain('broken: position');
      await expectNoOverflow(page);
      expect(faults).toEqual([]);
    });

    it('as a file: everything is in it', async () => {
      const address = pathToFileURL(built.file).href;
      const { page, faults } = await open(address);
      await finished(page);
      expect(await shown(page, 'base')).toEqual(idsOf('base', request));
      expect(await shown(page, 'hamburger')).toEqual(idsOf('hamburger', request));
      expect(faults).toEqual([]);
    });

    it('is small enough, and has the sources that it links to', async () => {
      const all = readdirSync(built.folder, { recursive: true, encoding: 'utf8' }).map((name) =>
        join(built.folder, name),
      );
      const bytes = all.reduce((sum, path) => sum + (statSync(path).isFile() ? statSync(path).size : 0), 0);
      expect(bytes).toBeLessThan(MOST_BYTES);
      expect(statSync(built.file).size).toBeLessThan(MOST_BYTES);
      for (const path of ['SPEC.md', ...sectionPlaces.flatMap(({ code }) => code)])
        expect(existsSync(join(built.folder, 'project', `${path}.txt`))).toBe(true);
      const page = readFileSync(join(built.folder, 'index.html'), 'utf8');
      for (const [, target] of page.matchAll(/ (?:src|href)="(\.[^"]*)"/g))
        expect(existsSync(join(built.folder, target!))).toBe(true);
      expect(page).toContain("script-src 'self' 'wasm-unsafe-eval'");
    });
  });
});
