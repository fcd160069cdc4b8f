import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { specSections } from '../../lib/explain/spec-sections.ts';

describe('sections of SPEC.md', () => {
  const sections = specSections(
    '# Title\n\nText.\n\n## A thing (a-thing)\n\nCode: [x](y) — shown in [z](w)\n\nSee [other](#appendix-other-other).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Appendix: other (other)\n\n`x < y`\n',
  );

  it('are found by slug, with the anchors that code hosts make', () => {
    expect(sections.map(({ slug, title, anchor }) => ({ slug, title, anchor }))).toEqual([
      { slug: 'a-thing', title: 'A thing', anchor: 'a-thing-a-thing' },
      { slug: 'other', title: 'Appendix: other', anchor: 'appendix-other-other' },
    ]);
  });

  it('links between them stay in the page; where the code is, the page says itself', () => {
    expect(sections[0]!.markup).toContain('<a href="#spec-other">other</a>');
    expect(sections[0]!.markup).not.toContain('Code:');
    expect(sections[0]!.markup).toContain('<td>1</td>');
    expect(sections[1]!.markup).toContain('<code>x &lt; y</code>');
  });

  it('each of ours becomes markup without a link that leads nowhere', () => {
    const text = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
    const ours = specSections(text);
    const slugs = new Set(ours.map(({ slug }) => `spec-${slug}`));
    for (const { markup } of ours)
      for (const [, target] of markup.matchAll(/href="#([^"]*)"/g)) expect(slugs).toContain(target);
    expect(ours.length).toBeGreaterThan(30);
  });
});
