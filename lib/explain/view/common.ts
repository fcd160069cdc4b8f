/**
 * What all views share: how tokens, numbers and tensors look.
 *
 * @module
 */

import type { MacroStepEnd } from '../../decode/ends.ts';
import { type Html, html } from '../../html.ts';
import type { ExplainedToken, Explanation, ShownToken } from '../explanation.ts';
import type { HeatMap } from '../heat-map.ts';

/** The least probability of each shade, from certain to improbable; those of `generate --color`. */
export const LEAST_PROBABILITIES = [0.9, 0.6, 0.3, 0] as const;

/** `even` and `odd` macro-steps have two hues; the shade is the stronger, the less probable a token was. */
export function tokenClass(macroStep: number, probability: number | null): string {
  const shade = LEAST_PROBABILITIES.findIndex((least) => (probability ?? 1) >= least);
  return `${hue(macroStep)} s${Math.max(shade, 0)}`;
}

/** The hue of a macro-step. */
export function hue(macroStep: number): 'even' | 'odd' {
  return macroStep % 2 === 0 ? 'even' : 'odd';
}

/** A token's text with its white space to be seen; the id where there is no text. */
export function spelling({ id, text }: ShownToken): string {
  if (text === null) return `#${id}`;
  if (text === '') return '◦';
  const shown = text.replaceAll('\n', '↵').replaceAll('\t', '⇥');
  return /^ +$/.test(shown) ? shown.replaceAll(' ', '␣') : shown;
}

/** The same, cut where it is too long for its place. */
export function shortSpelling(token: ShownToken, most: number): string {
  const characters = [...spelling(token)];
  return characters.length <= most ? characters.join('') : `${characters.slice(0, most - 1).join('')}…`;
}

/** Tokens of a segment as one text. */
export function segmentText(tokens: readonly ShownToken[]): string {
  return tokens.map(spelling).join(tokens[0]?.text === null ? ' ' : '');
}

/** `1,234,567` */
export function thousands(count: number): string {
  return `${count}`.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}

/** A probability or confidence to three digits; what is nearly but not quite 0 or 1 says so. */
export function share(value: number | null): string {
  if (value === null) return '–';
  if (!Number.isFinite(value)) return `${value}`;
  if (value > 0.999 && value < 1) return '>0.999';
  if (value > 0 && value < 0.001) return '<0.001';
  return value === 0 || value === 1 ? `${value}` : value.toFixed(3);
}

/** A magnitude to three digits. */
export function magnitude(value: number): string {
  return value === 0 ? '0' : `${Number(value.toPrecision(3))}`;
}

/** `[1, 96]` */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** `1 token`, `2 tokens` */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${thousands(count)} ${count === 1 ? one : several}`;
}

/** Why a macro-step went no further. */
export function endText(token: ExplainedToken, { settings, model }: Explanation): string {
  const reasons: Readonly<Record<MacroStepEnd, string>> = {
    eos: 'ends: the text is complete',
    'stop-string': 'ends: a stop string is complete',
    limit: 'ends: no more tokens are asked for',
    'max-steps': `ends: ${model.M} tokens are the most`,
    confidence:
      settings.confidence === null
        ? 'ends: the stop probability is above 0.5'
        : `ends: confidence below ${settings.confidence}`,
  };
  if (token.end === null) return 'goes on';
  return settings.mode === 'base' && token.end === 'max-steps' ? 'one token a pass' : reasons[token.end];
}

/** Height of a row of a heat map, in pixels. */
const ROW = { of: 10, single: 14 };

/**
 * A heat map; blue above 0, orange below.
 *
 * @param what what is drawn, for those who do not see it
 */
export function heatPicture(map: HeatMap, what: string, rowHeight?: number): Html {
  const { rows, columns, levels, shape, full, largest } = map;
  const height = rows * (rowHeight ?? (rows === 1 ? ROW.single : ROW.of));
  const label = `${what}, shape ${shapeText(shape)}, largest magnitude ${magnitude(largest)}, full colour from ${magnitude(full)}`;
  return html`<svg class="heat" viewBox="0 0 ${columns} ${rows}" width="100%" height="${height}" preserveAspectRatio="none" role="img" aria-label="${label}">${paths(levels, rows, columns)}</svg>`;
}

/** One path for each level: runs of neighbours of that level, as strokes along the middle of the row. */
function paths(levels: HeatMap['levels'], rows: number, columns: number): Html[] {
  const byLevel = new Map<number | null, string>();
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; ) {
      const level = levels[row * columns + column]!;
      let end = column + 1;
      while (end < columns && levels[row * columns + end] === level) end++;
      if (level !== 0) {
        byLevel.set(level, `${byLevel.get(level) ?? ''}M${column} ${row}.5h${end - column}`);
      }
      column = end;
    }
  }
  return [...byLevel]
    .sort(([a], [b]) => (a ?? Number.NEGATIVE_INFINITY) - (b ?? Number.NEGATIVE_INFINITY))
    .map(([level, d]) => html`<path class="${levelClass(level)}" d="${d}"/>`);
}

function levelClass(level: number | null): string {
  if (level === null) return 'nan';
  return level < 0 ? `n${-level}` : `p${level}`;
}

/** A caption with the shape and what full colour means. */
export function heatCaption(map: HeatMap, what: string): Html {
  const perCell = map.perCell === 1 ? '' : `, ${map.perCell} numbers a cell, the largest shown`;
  return html`<span class="tensor">${what} <code>${shapeText(map.shape)}</code><span class="scale"> ±${magnitude(map.full)}${perCell}</span></span>`;
}

/** A bar from 0 to 1, with a mark at the threshold. */
export function gauge(value: number | null, threshold: number | null): Html {
  const width = Math.max(0, Math.min(1, value ?? 0)) * 100;
  const mark =
    threshold === null
      ? null
      : html`<path class="threshold" d="M${Math.max(0.8, Math.min(99.2, threshold * 100))} -2v12"/>`;
  const below = threshold !== null && value !== null && !(value >= threshold);
  return html`<svg class="gauge" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8"/><rect class="${below ? 'below' : 'level'}" width="${Number(width.toFixed(2))}" height="8"/>${mark}</svg>`;
}
