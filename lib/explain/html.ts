/**
 * Markup that cannot be broken by the texts in it: what a model generates, and what a file contains, is shown and never obeyed.
 *
 * @module
 */

import { printable } from '../text/printable.ts';

/** Markup. Made by {@link html} alone, or of text that this package wrote. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }

  toString(): string {
    return this.markup;
  }
}

/** What may stand in a template: texts and numbers, which are escaped; markup; lists of them; nothing. */
export type Inserted = string | number | Html | null | undefined | readonly Inserted[];

/** Markup from a template; inserted texts are escaped, also for quoted attributes. */
export function html(strings: TemplateStringsArray, ...inserted: readonly Inserted[]): Html {
  return new Html(strings.reduce((text, string, i) => text + markupOf(inserted[i - 1]) + string));
}

function markupOf(value: Inserted): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Html) return value.markup;
  if (Array.isArray(value)) return value.map(markupOf).join('');
  return escapeText(String(value));
}

/** Text as HTML and XML take it, between tags and in quoted attributes; characters that steer text become their numbers. */
export function escapeText(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
