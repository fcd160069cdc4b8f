/**
 * How an explanation begins: three sentences and four figures.
 *
 * @module
 */

import { type Html, html } from '../../html.ts';
import type { Explanation } from '../explanation.ts';
import { counted, thousands } from './common.ts';

/** Tokens, and passes of the base. */
function totals({ macroSteps }: Explanation): { readonly tokens: number; readonly passes: number } {
  return {
    tokens: macroSteps.reduce((sum, { tokens }) => sum + tokens.length, 0),
    passes: macroSteps.length,
  };
}

/** The run as a heading. */
export function heading(explanation: Explanation): string {
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
