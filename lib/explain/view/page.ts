/**
 * An explanation as one HTML file that needs nothing else: no network, no script; what a model wrote is shown and never obeyed.
 *
 * @module
 */

import type { Explanation } from '../explanation.ts';
import { Html, html } from '../html.ts';
import { parts } from '../parts.ts';
import { counted, thousands } from './common.ts';
import { explanationView, type ViewOptions } from './explanation-view.ts';
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

/** Tokens, and passes of the base. */
function totals({ macroSteps }: Explanation): { readonly tokens: number; readonly passes: number } {
  return {
    tokens: macroSteps.reduce((sum, { tokens }) => sum + tokens.length, 0),
    passes: macroSteps.length,
  };
}

function heading(explanation: Explanation): string {
  const { tokens, passes } = totals(explanation);
  return `${counted(tokens, 'token')} in ${counted(passes, 'pass', 'passes')}`;
}

/** Three sentences that say what is seen. */
export function openingView(explanation: Explanation): Html {
  const { settings, model, entryPositions, plainEntries } = explanation;
  const { tokens, passes } = totals(explanation);
  if (settings.mode === 'base') {
    return html`<p class="opening">The base alone, an ordinary Llama, wrote ${counted(tokens, 'token')} in ${counted(passes, 'pass', 'passes')}, one token a pass. Each block of the text below is one pass. Each token becomes one entry of the KV cache, which holds ${thousands(entryPositions.length)} in the end.</p>`;
  }
  const goesOn =
    settings.confidence === null
      ? 'the stop head does not call for an end'
      : `the stop head's continue confidence is at least ${settings.confidence}`;
  return html`<p class="opening">A HAMburger wrote ${counted(tokens, 'token')} in ${counted(passes, 'pass', 'passes')} of its base, where a plain decoder takes ${counted(tokens, 'pass', 'passes')}. Each coloured block of the text is one pass, a <em>macro-step</em>: its first token comes from the base itself, and a small micro-step decoder adds more, at most ${model.M} in all, for as long as ${goesOn}. Whatever its length, a finished block then becomes a single entry of the KV cache, so that ${thousands(entryPositions.length)} entries stand where a plain decoder would hold ${thousands(plainEntries)}.</p>`;
}

/** The run in four figures. */
export function figuresView(explanation: Explanation): Html {
  const { tokens, passes } = totals(explanation);
  const { entryPositions, plainEntries, prompt } = explanation;
  const figures: readonly (readonly [string, string])[] = [
    [passes === 0 ? '–' : (tokens / passes).toFixed(2), 'tokens per macro-step'],
    [`${passes}`, 'passes of the base'],
    [`${entryPositions.length}`, `KV entries, ${prompt.length} of them of the prompt`],
    [`${plainEntries}`, 'KV entries of a plain decoder'],
  ];
  return html`<dl class="figures">${figures.map(([value, name]) => html`<div><dd>${value}</dd><dt>${name}</dt></div>`)}</dl>`;
}
