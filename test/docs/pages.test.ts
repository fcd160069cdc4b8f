/** Every command, module and quotation of the README and of docs/, run in order, page by page, in a folder of its own: what a page shows is what happens. */

import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'rolldown/utils';
import { afterAll, describe, expect, it } from 'vitest';
// Sees to it that dist is built from these sources.
import '../cli/run.ts';
import { isQuoted, matches, type Snippet, snippetsOf } from './snippets.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a reader has in the project's folder; what pages make must not land among it. */
const SHOWN = ['dist', 'fixtures', 'lib', 'docs', 'package.json', 'SPEC.md'];

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A folder that looks like the project's, with its programs on the path. */
function readersFolder(): { readonly cwd: string; readonly path: string } {
  const cwd = mkdtempSync(join(tmpdir(), 'hamburger-docs-'));
  afterAll(() => rmSync(cwd, { recursive: true, force: true }));
  for (const name of SHOWN) symlinkSync(join(root, name), join(cwd, name));
  // `npx hamburger` would look for it through npm, which takes a second each time.
  const bin = join(cwd, '.bin');
  mkdirSync(bin);
  const program = `exec '${process.execPath}' '${join(root, 'dist/cli/main.js')}' "$@"\n`;
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\nshift\n${program}`, { mode: 0o755 });
  return { cwd, path: [bin, process.env.PATH].join(delimiter) };
}

/** A module without its types, that finds the package by its name as a reader's program does. */
function runnable(module: string): string {
  const { code, errors } = transformSync('snippet.ts', module);
  expect(errors).toEqual([]);
  const entry = JSON.stringify(join(root, 'dist/lib/index.js'));
  return code.replaceAll(/"hamburger-oracle"/g, entry);
}

function run(
  { kind, text }: Snippet,
  cwd: string,
  path: string,
  index: number,
): ReturnType<typeof spawnSync> {
  const env = { PATH: path, HOME: process.env.HOME };
  if (kind === 'command') return spawnSync('sh', ['-c', text], { cwd, env, encoding: 'utf8' });
  const file = join(cwd, `snippet-${index}.mjs`);
  writeFileSync(file, runnable(text));
  return spawnSync(process.execPath, [file], { cwd, env, encoding: 'utf8' });
}

describe.each(pages)('%s', (page) => {
  const { cwd, path } = readersFolder();
  const snippets = snippetsOf(readFileSync(join(root, page), 'utf8'), page);
  const cases = snippets.map((snippet, index) => ({
    ...snippet,
    index,
    title: snippet.text.split('\n')[0]!,
  }));
  const isQuotation = ({ kind }: Snippet) => kind === 'quotation';

  it('says why, where something is not run', () => {
    for (const { notRun, title } of cases)
      if (notRun !== undefined) expect(notRun.length, title).toBeGreaterThan(10);
  });

  const quotations = cases.filter(isQuotation);
  if (quotations.length > 0)
    it.each(quotations)('line $line: $title quotes code as it stands', ({ text }) => {
      expect(isQuoted(text, (file) => readFileSync(join(root, file), 'utf8'))).toBe(true);
    });

  const programs = cases.filter((snippet) => !isQuotation(snippet) && snippet.notRun === undefined);
  if (programs.length > 0)
    it.each(programs)(
      'line $line: $title',
      (snippet) => {
        const { status, stdout, stderr } = run(snippet, cwd, path, snippet.index);
        // A negative verdict, 1, is an answer; the page shows it.
        expect(snippet.output === undefined ? [0] : [0, 1], `${stderr}`).toContain(status);
        if (snippet.output === undefined) return;

        if (!matches(`${stdout}`, snippet.output)) expect(stdout).toBe(snippet.output);
      },
      60_000,
    );
});
