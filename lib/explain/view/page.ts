/**
 * An explanation as one HTML file that needs nothing else: no network, no script; what a model wrote is shown and never obeyed.
 *
 * @module
 */

import type { Explanation } from '../explanation.ts';
import { Html, html } from '../html.ts';
import { parts } from '../parts.ts';
import { explanationView, type ViewOptions } from './explanation-view.ts';
import { figuresView, heading, openingView } from './opening.ts';
import { explanationStyle, pageStyle } from './style.ts';

export type { ViewOptions } from './explanation-view.ts';

/** Addresses below the folder or site that has the project's files. */
export function projectLinks(address: string): NonNullable<ViewOptions['linkTo']> {
  const folder = address.endsWith('/') ? address : `${address}/`;
  return (path, anchor) => `${folder}${path}${anchor === undefined ? '' : `#${anchor}`}`;
}

/** The page. @param title of the page; what was explained */
export function explanationPage(explanation: Explanation, title: string, options: ViewOptions): string {
  const links = parts.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>
${new Html(pageStyle)}${new Html(explanationStyle)}</style>
</head>
<body>
<main class="explanation">
<header>
<h1>${heading(explanation)}</h1>
${openingView(explanation)}
${figuresView(explanation)}
<nav aria-label="Parts of this page"><ul>${links}</ul></nav>
</header>
${explanationView(explanation, options)}
</main>
</body>
</html>
`.markup;
}
