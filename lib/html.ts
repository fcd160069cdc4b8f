/**
 * Markup that cannot be broken by the texts in it: what a model generates, and what a file contains, is shown and never obeyed.
 *
 * @module
 */

import { printable } from './text/printable.ts';

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

/**
 * What a page that is a file of its own may do: show itself. It runs no script, loads nothing, and sends nothing; also if there were a
 * mistake in what it is made of.
 */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** A page that needs nothing else. @param style the text of its style sheet, which this package wrote */
export function htmlPage(title: string, style: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(PAGE_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
${new Html(style)}</style>
</head>
<body>
${body}
</body>
</html>
`.markup;
}

/**
 * Text as HTML and XML take it, between tags and in quoted attributes; characters that steer text become their numbers, and the two that XML does not
 * have U+FFFD.
 */
export function escapeText(text: string): string {
  return printable(text)
    .replace(/[\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
