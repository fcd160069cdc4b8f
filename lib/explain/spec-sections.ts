/**
 * The sections of SPEC.md as markup, to stand beside what they specify: the only door to `marked`.
 *
 * @module
 */

import { Marked } from 'marked';

/** A section of SPEC.md. */
export interface SpecSection {
  readonly slug: string;
  readonly title: string;
  /** Its anchor in SPEC.md, as code hosts make them of headings. */
  readonly anchor: string;
  /** Its text as HTML. */
  readonly markup: string;
}

const HEADING = /^## (.+) \(([a-z-]+)\)$/m;

/** What says where a section's code is; a page has links of its own for that. */
const PLACES = /^Code: .*$\n/m;

/** The sections of the text of SPEC.md, in its order. */
export function specSections(text: string): readonly SpecSection[] {
  const marked = new Marked({ async: false, gfm: true });
  return text
    .split(/^(?=## )/m)
    .filter((section) => HEADING.test(section))
    .map((section) => {
      const [heading, title, slug] = HEADING.exec(section)!;
      const body = section.slice(section.indexOf(heading) + heading.length).replace(PLACES, '');
      // A link to another section leads to where that one is shown.
      const local = body.replaceAll(
        /\]\(#([a-z0-9-]+)\)/g,
        (_, anchor: string) => `](#spec-${slugOf(anchor, text)})`,
      );
      return {
        slug: slug!,
        title: title!,
        anchor: anchorOf(`${title} (${slug})`),
        markup: scrollable(marked.parse(local) as string),
      };
    });
}

/** Anchors as code hosts make them: lower case, no punctuation, hyphens for spaces. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}

function slugOf(anchor: string, text: string): string {
  const headings = text.matchAll(new RegExp(HEADING, 'gm'));
  for (const [, title, slug] of headings) if (anchorOf(`${title} (${slug})`) === anchor) return slug!;
  return anchor;
}

/** Wide tables and examples scroll by themselves, also by keyboard. */
function scrollable(markup: string): string {
  return markup
    .replaceAll('<table>', '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>')
    .replaceAll('</table>', '</table></div>')
    .replaceAll('<pre>', '<pre tabindex="0">');
}
