/**
 * Specification, code and pages lead to each other: each section of SPEC.md to the files that transcribe it and to the part of the explanation that
 * shows it, and back. And no link in the project's documents leads nowhere.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parts, sectionPlaces, specSections } from '../../lib/index.ts';
import { hamburger, workFolder } from '../cli/run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const PAGE = 'docs/explain.html';
const spec = read('SPEC.md');
const page = read(PAGE);

/** Documents whose links are followed. */
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SPEC.md', 'CHANGELOG.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** The line below the heading of a section. */
function placesLine({ part, code }: (typeof sectionPlaces)[number]): string {
  const { title } = parts.find(({ id }) => id === part)!;
  const files = code.map((path) => `[${path}](${path})`).join(' · ');
  return `Code: ${files} — shown in [${title}](${PAGE}#${part})`;
}

/** Anchors of a document: those that code hosts make of headings, and ids of a page. */
function anchors(path: string): Set<string> {
  const text = read(path);
  if (path.endsWith('.html')) return new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));
  const plain = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return new Set(
    [...plain.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Why a link from a document leads nowhere. */
function fault(from: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path, anchor] = target.split('#') as [string, string | undefined];
  const file = path === '' ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(root, file))) return `${from} -> ${target}: no such file`;
  if (anchor === undefined || !/\.(?:md|html)$/.test(file)) return undefined;
  return anchors(file).has(anchor) ? undefined : `${from} -> ${target}: no such place`;
}

describe('links', () => {
  it('every section of SPEC.md has its place in lib/explain/parts.ts, and every place its section', () => {
    const slugs = [...spec.matchAll(/^## .+ \(([a-z-]+)\)$/gm)].map(([, slug]) => slug!);
    expect(sectionPlaces.map(({ slug }) => slug).toSorted()).toEqual(slugs.toSorted());
  });

  it.each(sectionPlaces)('SPEC #$slug names its code and where it is shown', (place) => {
    const [, below] = new RegExp(`^## .+ \\(${place.slug}\\)\\n\\n(.*)$`, 'm').exec(spec)!;
    expect(below).toBe(placesLine(place));
  });

  it.each(sectionPlaces)('the code of $slug says which section it transcribes', ({ slug, code }) => {
    expect(code.length).toBeGreaterThan(0);
    for (const path of code)
      expect(read(path)).toMatch(new RegExp(`SPEC (?:#[a-z-]+(?:,| and) )*#${slug}\\b`));
  });

  it.each(sectionPlaces)(
    'the page leads from the part to SPEC #$slug and its code',
    ({ slug, part, code }) => {
      const section = new RegExp(`<section [^>]*id="${part}"[\\s\\S]*?</section>`).exec(page)![0];
      const { anchor } = specSections(spec).find((one) => one.slug === slug)!;
      for (const target of [`../SPEC.md#${anchor}`, ...code.map((path) => `../${path}`)]) {
        expect(section).toContain(`href="${target}"`);
        expect(fault(PAGE, target)).toBeUndefined();
      }
    },
  );

  it(`${PAGE} is what "npm run make:explain" makes`, async () => {
    const cwd = workFolder();
    const args = ['explain', '--links', '..', '--out', 'explain.html'];
    expect((await hamburger(args, { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, 'explain.html'), 'utf8') === page).toBe(true);
  });

  it.each(documents)('every link of %s leads somewhere', (path) => {
    const text = read(path)
      .replaceAll(/^```[\s\S]*?^```/gm, '')
      .replaceAll(/`[^`\n]*`(?!\])/g, '');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
    expect(targets.flatMap((target) => fault(path, target) ?? [])).toEqual([]);
  });

  it('the check itself finds a missing file and a missing place', () => {
    expect(fault('README.md', 'nowhere.md')).toContain('no such file');
    expect(fault('README.md', 'SPEC.md#nowhere')).toContain('no such place');
    expect(fault('docs/explain.html', '#nowhere')).toContain('no such place');
  });
});
