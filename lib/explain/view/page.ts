/**
 * An explanation as one HTML file that needs nothing else: no network, no script; what a model wrote is shown and never obeyed.
 *
 * @module
 */

import { html, htmlPage } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
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
  const body = html`<main class="explanation">
<header>
<h1>${heading(explanation)}</h1>
${openingView(explanation)}
${figuresView(explanation)}
<nav aria-label="Parts of this page"><ul>${links}</ul></nav>
</header>
${explanationView(explanation, options)}
</main>`;
  return htmlPage(title, pageStyle + explanationStyle, body);
}
