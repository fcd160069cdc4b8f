/** Plants every deliberate mistake and expects the test that names it to fail. In two halves, which run side by side. Run by `npm run mutations`. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type Mutation, mutations } from './mutations.ts';
import { buildPlanted } from './plant.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'mutations-'));
afterAll(() => rmSync(scratch, { recursive: true }));

interface Report {
  readonly testResults: readonly {
    /** Of the file as a whole; why it could not be loaded, if it could not. */
    readonly message: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

/** Runs the test file of a mutation with it planted; returns titles by status. */
async function run(index: number, mutation: Mutation): Promise<{ failed: string[]; skipped: string[] }> {
  const report = join(scratch, `${index}.json`);
  const folder = join(scratch, `${index}`);
  mkdirSync(folder);
  const built = await buildPlanted(mutation, folder);
  const child = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      mutation.test,
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, HAMBURGER_MUTATION: `${index}`, HAMBURGER_BUILT: built },
      // Several times what the slowest takes. A mistake after which a test never ends is no good: nobody says what is wrong.
      timeout: 480_000,
    },
  );
  rmSync(folder, { recursive: true });
  expect(child.error).toBeUndefined();
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  const unloaded = testResults.filter(({ assertionResults }) => assertionResults.length === 0);
  expect(
    unloaded.map(({ message }) => message),
    'every file can be loaded',
  ).toEqual([]);
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const titles = (status: string) =>
    results.filter((result) => result.status === status).map(({ title }) => title.replaceAll("'", ''));
  // A run that broke down has tests that it never came to; they are not skipped.
  const skipped = child.status === 0 ? [...titles('skipped'), ...titles('pending')] : [];
  return { failed: titles('failed'), skipped };
}

/** Plants every second mistake, from the first or from the second. */
export function checkPlantedMistakes(half: 0 | 1): void {
  describe('deliberate mistakes', () => {
    it.for(
      mutations.map((mutation, index) => ({ ...mutation, index })).filter(({ index }) => index % 2 === half),
    )('$mistake', async ({ index, ...mutation }, { skip }) => {
      const { caughtBy } = mutation;
      const { failed, skipped } = await run(index, mutation);
      // Some tests need what not every machine has, and say what.
      skip(
        skipped.some((title) => title.includes(caughtBy)),
        'the test that would catch it is skipped here',
      );
      expect(
        failed.filter((title) => title.includes(caughtBy)),
        `failed: ${failed.join('; ')}`,
      ).not.toEqual([]);
    });
  });
}
