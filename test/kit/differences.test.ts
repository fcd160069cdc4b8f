/** What `npm run make:kit` says of a kit that differs from the one that is there. */

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { differences } from '../../fixtures/kit/make/differences.ts';
import { safetensorsBytes } from '../../lib/checkpoint/safetensors-writer.ts';

const cwd = mkdtempSync(join(tmpdir(), 'hamburger-differences-'));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const tensors = (values: number[]): Uint8Array =>
  safetensorsBytes([{ name: 'y', dtype: 'F64', shape: [values.length], elements: () => values }]);

/** A folder with these files, and a `kit.json` that names them. */
function kit(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(cwd, name);
  const named: Record<string, { sha256: string }> = {};
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
    named[path] = { sha256: createHash('sha256').update(content).digest('hex') };
  }
  writeFileSync(join(folder, 'kit.json'), JSON.stringify({ files: named }));
  return folder;
}

const before = kit('before', {
  'page.md': 'one\ntwo\n',
  'cases/a.out.safetensors': tensors([1, 4]),
  'cases/b.out.safetensors': tensors([0, 0]),
  'invalid/x/model.safetensors': 'broken',
  'gone.json': '{}',
});

it('nothing differs from itself', () => {
  expect(differences(before, before)).toEqual({ files: 0, lines: [] });
});

it('names lines of texts, and tensors by how far they are off; minus zero is not zero', () => {
  const after = kit('after', {
    'page.md': 'one\nthree\n',
    'cases/a.out.safetensors': tensors([1, 4.000001]),
    'cases/b.out.safetensors': tensors([0, -0]),
    'invalid/x/model.safetensors': 'broken otherwise',
    'new.json': '{}',
  });
  expect(differences(before, after)).toEqual({
    files: 6,
    lines: [
      'changed  page.md',
      '           - two',
      '           + three',
      'changed  cases/a.out.safetensors',
      '           y: off by 2.5e-7 of the largest element',
      'changed  cases/b.out.safetensors',
      '           y: off by 0.0e+0 of the largest element',
      'changed  invalid/x/model.safetensors',
      '           other bytes',
      'new      new.json',
      'gone     gone.json',
    ],
  });
});

it('a file that was edited by hand is told apart from one that is made otherwise', () => {
  const edited = kit('edited', { 'page.md': 'one\n' });
  writeFileSync(join(edited, 'page.md'), 'two\n');
  expect(differences(edited, kit('made', { 'page.md': 'one\n' })).lines).toEqual([
    'edited   page.md, which is not what its own kit.json says',
  ]);
});

it('what is long is cut, and says how much more there is', () => {
  const long =
    readFileSync(join(before, 'page.md'), 'utf8') + Array.from({ length: 30 }, (_, i) => `${i}\n`).join('');
  const { files, lines } = differences(before, kit('long', { 'page.md': long }));
  expect(files).toBe(5);
  expect(lines).toContain('           and 22 more');
});
