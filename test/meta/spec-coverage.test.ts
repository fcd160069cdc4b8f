/** Every rule of SPEC.md is cited in code and in a test; no citation names a rule that does not exist. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const spec = readFileSync(join(root, 'SPEC.md'), 'utf8');

const slugs = [...spec.matchAll(/^## .*\(([a-z-]+)\)$/gm)].map(([, slug]) => slug!);
const rules = [...spec.matchAll(/^- \*\*`([a-z-]+\/[A-Z]\d+)`\*\*/gm)].map(([, rule]) => rule!);

/** Citations in a folder: rule → files. `rms-norm/C1, C2` cites both. */
function citations(folders: readonly string[]): Map<string, Set<string>> {
  const cited = new Map<string, Set<string>>();
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('spec-coverage.test.ts')) continue;
      const text = readFileSync(join(root, folder, name), 'utf8');
      for (const [, slug, labels] of text.matchAll(
        /([a-z]+(?:-[a-z]+)*)\/([A-Z]\d+(?:(?:, | and )[A-Z]\d+)*)(?![\w/])/g,
      )) {
        for (const label of labels!.split(/, | and /)) {
          const rule = `${slug}/${label}`;
          if (!cited.has(rule)) cited.set(rule, new Set());
          cited.get(rule)!.add(`${folder}/${name}`);
        }
      }
    }
  }
  return cited;
}

describe('SPEC coverage', () => {
  const inCode = citations(['lib', 'cli']);
  const inTests = citations(['test']);
  const known = new Set(rules);

  it('sections and rules are well formed and unique', () => {
    expect(slugs.length).toBeGreaterThan(20);
    expect(rules.length).toBeGreaterThan(60);
    expect(new Set(slugs).size).toBe(slugs.length);
    expect(known.size).toBe(rules.length);
    expect(rules.filter((rule) => !slugs.includes(rule.split('/')[0]!))).toEqual([]);
  });

  it('every rule is cited in code', () => {
    expect(rules.filter((rule) => !inCode.has(rule))).toEqual([]);
  });

  it('every rule is cited in a test', () => {
    expect(rules.filter((rule) => !inTests.has(rule))).toEqual([]);
  });

  it('no citation names a rule that does not exist', () => {
    const unknown = [...inCode, ...inTests].filter(
      ([rule]) => !known.has(rule) && slugs.includes(rule.split('/')[0]!),
    );
    expect(unknown.map(([rule, files]) => `${rule} in ${[...files].join(', ')}`)).toEqual([]);
  });

  it('every section that code refers to with # exists', () => {
    const unknown: string[] = [];
    for (const folder of ['lib', 'cli']) {
      for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
        if (!name.endsWith('.ts')) continue;
        for (const [, slug] of readFileSync(join(root, folder, name), 'utf8').matchAll(/SPEC #([a-z-]+)/g)) {
          if (!slugs.includes(slug!)) unknown.push(`${folder}/${name}: #${slug}`);
        }
      }
    }
    expect(unknown).toEqual([]);
  });

  it('the table of contents links every section', () => {
    for (const slug of slugs) expect(spec.split('\n## ')[0]).toMatch(new RegExp(`\\(#[a-z0-9-]*${slug}\\)`));
  });
});
